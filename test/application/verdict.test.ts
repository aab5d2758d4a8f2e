// Who may pass and with what (contract §2.3, §2.4): a set that is larger than headers.max_bytes is nobody's.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import { readClaims } from '../../src/application/claims.js';
import { blockHeaders, NO_TOKENS } from '../../src/application/identity.js';
import { verdictOn } from '../../src/application/verdict.js';
import { render } from '../../src/http/decision.js';
import { DIALECTS } from '../../src/http/dialects.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, requestOf, traefikRequest } from '../kit/checks.js';

const URL_ = 'https://whoami.company.tld/';
const silent = pino({ level: 'silent' });

describe('the verdict', () => {
  it('lets a set of max_bytes through and not one byte more, whatever it is made of', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4_096, max: 65_536 }),
        fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { maxLength: 20 }),
        fc.integer({ min: -3, max: 3 }),
        fc.boolean(),
        (most, groups, beyond, attributes) => {
          const application = makeApplication({ headers: { families: ['akprox'], max_bytes: most } });
          const sized = (length: number) =>
            readClaims({
              sub: 'alice',
              preferred_username: 'alice',
              groups,
              name: 'Alice',
              email: attributes ? '' : 'e'.repeat(length),
              ak_proxy: { user_attributes: { additionalHeaders: attributes ? { 'X-Key': 'k'.repeat(length) } : {} } },
            });
          const roomy = makeApplication({ headers: { families: ['akprox'], max_bytes: 65_536 } });
          const base = verdictOn(roomy, sized(0), NO_TOKENS, silent);
          if (base.kind !== 'allow') return assert.fail(base.kind);
          const length = most - base.block.byteLength + beyond;
          fc.pre(length >= 0);
          const verdict = verdictOn(application, sized(length), NO_TOKENS, silent);
          assert.equal(verdict.kind, beyond <= 0 ? 'allow' : 'too_large');
          if (verdict.kind === 'allow') assert.equal(verdict.block.byteLength, most + beyond);
        },
      ),
    );
  });

  it('counts the token and the basic credentials too, and never drops one header to save another', () => {
    const application = makeApplication({ headers: { pass_jwt: true } });
    const claims = readClaims({ sub: 'alice' });
    const small = verdictOn(application, claims, { ...NO_TOKENS, jwt: 'a.b.c' }, silent);
    if (small.kind !== 'allow') return assert.fail(small.kind);
    assert.equal(new Map(blockHeaders(small.block)).get('X-authentik-jwt'), 'a.b.c');
    assert.equal(verdictOn(application, claims, { ...NO_TOKENS, jwt: 'x'.repeat(16_384) }, silent).kind, 'too_large');
  });
});

describe('a user whose identity headers are too large', () => {
  const groups = ['staff', ...Array.from({ length: 1_000 }, (_, i) => `CN-Department-of-Things-${i}`)];
  const application = makeApplication({ access: { groups: ['staff'] } });

  it('gets 403 in every dialect, cached or not, and the log names him, the size and the header when it is rendered', async () => {
    const lines: Record<string, unknown>[] = [];
    const checks = createChecks([application], {
      log: pino({ level: 'warn' }, { write: (line: string) => lines.push(JSON.parse(line)) }),
    });
    const cookie = `${application.cookieName}=${await checks.signIn(application, { groups })}`;
    const asked = (more: [string, string][] = []) =>
      requestOf(
        [
          ['host', 'whoami.company.tld'],
          ['x-forwarded-host', 'whoami.company.tld'],
          ['x-forwarded-uri', '/'],
          ['x-forwarded-method', 'GET'],
          ['x-original-url', URL_],
          ['cookie', cookie],
          ...more,
        ],
        { path: '/akprox/auth/envoy/' },
      );
    for (const context of [checks.context, checks.elsewhere, checks.context]) {
      for (const dialect of Object.values(DIALECTS)) {
        for (const navigation of [true, false]) {
          const req = asked([['sec-fetch-mode', navigation ? 'navigate' : 'cors']]);
          const decision = await checks.decide(req, dialect, context);
          if (decision.kind === 'allow') return assert.fail('allowed');
          const { status, body } = render(decision, dialect);
          assert.equal(status, 403);
          if (dialect.name === 'nginx') assert.equal(body, '');
          else assert.match(body, navigation ? /<h1>.*too many groups/ : /"error":"identity_too_large"/);
        }
      }
    }
    const [line, ...others] = lines;
    assert.equal(line?.['user'], 'alice');
    assert.equal(line['header'], 'X-Auth-Groups');
    assert.ok(Number(line['bytes']) > Number(line['header_bytes']) && Number(line['header_bytes']) > 16_384);
    // Each of the two workers has read the session once: no hit costs a rendering.
    assert.equal(others.length, 1);
  });

  it('gets it with credentials in a header as well', async () => {
    const checks = createChecks([application], {
      headerAuth: async () => ({ kind: 'too_large', user: 'alice', sub: 'alice', preferredUsername: 'alice' }),
    });
    const decision = await checks.decide(traefikRequest(URL_, [['authorization', 'Bearer x']]));
    assert.equal(decision.kind, 'forbidden');
  });
});
