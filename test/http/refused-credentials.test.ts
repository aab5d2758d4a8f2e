// A refused credential is answered with the scheme that was used, in every dialect (contract §5).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { render } from '../../src/http/decision.js';
import { DIALECTS } from '../../src/http/dialects.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, requestOf } from '../kit/checks.js';

const HOST = 'whoami.company.tld';
const AS_PROXIES_ASK: readonly (readonly [string, string])[] = [
  ['host', HOST],
  ['x-forwarded-host', HOST],
  ['x-forwarded-uri', '/'],
  ['x-forwarded-method', 'GET'],
  ['x-original-url', `https://${HOST}/`],
];

for (const dialect of Object.values(DIALECTS)) {
  for (const [authorization, expected] of [
    ['Basic !', 'Basic realm="akprox", charset="UTF-8"'],
    ['bAsIc YTpi', 'Basic realm="akprox", charset="UTF-8"'],
    ['Bearer x', 'Bearer error="invalid_token"'],
    ['bearer', 'Bearer error="invalid_token"'],
  ] as const) {
    test(`${dialect.name}, ${authorization}: 401 with ${expected.split(' ')[0]}`, async () => {
      const checks = createChecks([makeApplication()], {
        headerAuth: async () => ({ kind: 'refused', reason: 'inactive' }),
      });
      const decision = await checks.decide(
        requestOf([...AS_PROXIES_ASK, ['authorization', authorization]], { path: '/akprox/auth/envoy/' }),
        dialect,
      );
      if (decision.kind === 'allow') return assert.fail('allowed');
      const reply = render(decision, dialect);
      assert.equal(reply.status, 401);
      assert.deepEqual(
        reply.headers.filter(([name]) => name === 'WWW-Authenticate').map(([, value]) => value),
        [expected],
      );
    });
  }
}
