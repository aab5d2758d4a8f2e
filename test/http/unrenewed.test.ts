// A session past its tokens' end, while the identity provider is away: whoever asks and through whichever proxy, it is a 503 and no
// sign-out; and when the provider is back it goes on.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CHECK_RESULTS } from '../../src/application/application.js';
import { readClaims } from '../../src/application/claims.js';
import { DIALECTS } from '../../src/http/dialects.js';
import { userinfo } from '../../src/http/userinfo.js';
import type { RenewalAnswer } from '../../src/session/renewal.js';
import { makeApplication } from '../kit/application.js';
import { type Checks, createChecks, createLogins, headerOf, stepRequest } from '../kit/checks.js';
import { answerTo, proxyAsks } from '../kit/proxy-asks.js';

const APP = 'https://whoami.company.tld';
const HOUR = 3_600_000;
const application = makeApplication({
  skip_path_regex: ['^/public/'],
  intercept_header_auth: true,
  session: { lifetime: '8h' },
});

interface World {
  readonly checks: Checks;
  readonly cookie: string;
  isAway: boolean;
}

async function startIdle(): Promise<World> {
  let world: World | null = null;
  const checks = createChecks(
    [application],
    {},
    {
      redeem: async (): Promise<RenewalAnswer> =>
        world?.isAway === false
          ? {
              kind: 'renewed',
              claims: readClaims({ sub: 'alice', preferred_username: 'alice' }),
              ...{ idToken: '', jwt: '', refreshToken: 'r2', expiresAt: checks.clock.time + HOUR },
            }
          : { kind: 'fault', error: new Error('no answer') },
    },
  );
  const cookie = await checks.signIn(application, {}, { refreshToken: 'r1', endsAt: checks.clock.time + 8 * HOUR });
  checks.clock.time += 2 * HOUR;
  application.checks.fill(0);
  world = { checks, cookie, isAway: true };
  return world;
}

const named = (cookie: string): string => `${application.cookieName}=${cookie}`;

for (const dialect of Object.values(DIALECTS)) {
  describe(dialect.name, () => {
    for (const [what, path, headers] of [
      ['a page', '/', []],
      ['a script', '/', [['sec-fetch-mode', 'cors']]],
      ['a public path', '/public/x', []],
      ['credentials beside it', '/', [['authorization', 'Bearer x']]],
    ] as const) {
      it(`${what}: 503, and let in when the provider is back`, async () => {
        const world = await startIdle();
        const { checks, cookie } = world;
        const ask = async () => {
          const asked = proxyAsks(dialect, `${APP}${path}`, { headers: [...headers, ['cookie', named(cookie)]] });
          return answerTo(await checks.decide(asked, dialect), dialect);
        };
        const reply = await ask();
        assert.equal(reply.status, 503);
        const seen = dialect.relaysAnswers && what !== 'a script';
        assert.match(
          reply.body,
          seen
            ? /Your session has to be renewed[\s\S]*<dd>idp_unreachable<\/dd>/
            : /^{"error":"idp_unreachable","message":"the session has to be renewed/,
        );
        assert.deepEqual(headerOf(reply, 'Retry-After'), ['2']);
        for (const name of ['Set-Cookie', 'Location']) assert.deepEqual(headerOf(reply, name), []);
        assert.equal(application.checks[CHECK_RESULTS.indexOf('unavailable')], 1);
        world.isAway = false;
        checks.clock.time += 1_000;
        assert.equal((await ask()).status, 200);
      });
    }
  });
}

it('P/userinfo: neither the session nor nobody', async () => {
  const world = await startIdle();
  const { context } = createLogins(world.checks, null as never);
  const ask = () => userinfo(context, stepRequest(`${APP}/akprox/userinfo`, [named(world.cookie)]), application);
  await assert.rejects(ask(), { code: 'idp_unreachable' });
  world.isAway = false;
  world.checks.clock.time += 1_000;
  const { status, body } = await ask();
  assert.equal(status, 200);
  // When the session ends, which its tokens no longer say.
  assert.equal(JSON.parse(body)['expires_at'], (world.checks.clock.time - 2 * HOUR - 1_000 + 8 * HOUR) / 1_000);
});

it('a sign-out finds it, and who it was, whatever the provider does', async () => {
  const { checks, cookie } = await startIdle();
  assert.deepEqual(await checks.sessions.signOut(cookie, application), { idToken: 'id-token', deleted: true });
  assert.equal(checks.store.entries.size, 0);
});
