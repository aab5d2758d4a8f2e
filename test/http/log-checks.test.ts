// `log.checks` means the same on every listener: one line for a check, with nothing in it that a client could hide something in.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { checkLogger } from '../../src/http/check-log.js';
import { DIALECTS } from '../../src/http/dialects.js';
import { Snapshot } from '../../src/http/exchange.js';
import type { RequestContext } from '../../src/http/router.js';
import { personOf } from '../../src/session/audit.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, traefikRequest } from '../kit/checks.js';
import { type Daemon, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';

const HOST = 'http://whoami.localhost:8080';
let daemon: Daemon;

before(async () => {
  daemon = await startDaemon({
    workers: 1,
    listen: { compat: '127.0.0.1:0' },
    log: { checks: 'denied' },
    providers: [testProvider('http://127.0.0.1:1', { skip_path_regex: ['^/public/'] })],
  });
});
after(() => daemon?.[Symbol.asyncDispose]());

for (const listener of ['http', 'compat'] as const) {
  describe(`log.checks: denied, listen.${listener}`, () => {
    it('writes a line for a challenge and none for a check that passes', async () => {
      const base = daemon[listener] ?? '';
      const path = `/on-${listener}`;
      assert.equal((await traefikCheck(base, `${HOST}/public${path}`)).status, 200);
      const headers = { 'X-Request-Id': 'request-1' };
      assert.equal((await traefikCheck(base, `${HOST}${path}?code=secret`, { headers })).status, 302);
      const line = await daemon.waitFor((found) => found['path'] === path);
      assert.equal(line.msg, 'check denied');
      assert.equal(line['provider'], 'whoami');
      assert.equal(line['request_id'], 'request-1');
      assert.equal(line['dialect'], 'traefik');
      assert.equal(line['host'], 'whoami.localhost:8080');
      assert.equal(line['client'], '203.0.113.9');
      assert.ok(!JSON.stringify(line).includes('secret'));
      assert.ok(!daemon.lines.some((found) => found['path'] === `/public${path}`));
    });
  });
}

describe('log.checks: all', () => {
  const application = makeApplication({ access: { groups: ['staff'] }, headers: { families: ['authentik'] } });
  const { subject } = personOf(application, { sub: 'alice', preferredUsername: '' });

  for (const [logAudit, who] of [
    ['subject', { subject }],
    ['user', { subject, user: 'alicé' }],
    ['none', {}],
  ] as const) {
    it(`names whoever passes, and who does not, as log.audit: ${logAudit} has it`, async () => {
      const lines: Record<string, unknown>[] = [];
      const log = pino({ base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
      const checks = createChecks([application], { logChecks: 'all', logAudit });
      const write = checkLogger(log, () => checks.context as RequestContext);
      for (const groups of [['staff'], []]) {
        const claims = { preferred_username: 'alicé', groups };
        const cookie = `${application.cookieName}=${await checks.signIn(application, claims)}`;
        const request = traefikRequest('https://whoami.company.tld/a', [['cookie', cookie]]);
        for (const context of [checks.context, checks.elsewhere]) {
          const decision = await checks.decide(request, DIALECTS.traefik, context);
          write(DIALECTS.traefik, Snapshot.of(request, '203.0.113.9'), decision);
        }
      }
      const keys = [...checks.store.entries.keys()].map((key) => key.slice(0, 8));
      assert.deepEqual(
        lines.map(({ decision, subject: hash, user, session }) => ({ decision, subject: hash, user, session })),
        ['allow', 'allow', 'forbidden', 'forbidden'].map((decision, i) => ({
          decision,
          subject: undefined,
          user: undefined,
          ...who,
          session: logAudit === 'none' ? undefined : keys[i >> 1],
        })),
      );
    });
  }
});
