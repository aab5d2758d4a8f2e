// `log.checks` means the same on every listener: one line for a check, with nothing in it that a client could hide something in.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
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
      assert.equal((await traefikCheck(base, `${HOST}${path}?code=secret`)).status, 302);
      const line = await daemon.waitFor((found) => found['path'] === path);
      assert.equal(line.msg, 'check denied');
      assert.equal(line['dialect'], 'traefik');
      assert.equal(line['host'], 'whoami.localhost:8080');
      assert.equal(line['client'], '203.0.113.9');
      assert.ok(!JSON.stringify(line).includes('secret'));
      assert.ok(!daemon.lines.some((found) => found['path'] === `/public${path}`));
    });
  });
}
