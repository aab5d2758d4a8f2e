// Renewal of tokens that live for seconds, with refresh tokens that are good for one use ("Revoke Refresh Token"), and a Keycloak
// that is away. Checks come six at a time, and none may be refused.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Answer, testProvider, traefikCheck } from '../../kit/daemon.js';
import { tokenIsOver } from '../../kit/token-end.js';
import { until } from '../../kit/until.js';
import { clientAtOwnHost, hostOf, type KeycloakPart, oidcOf } from './keycloak-world.js';

const TOKEN_SECONDS = 6;
const RENEWING = hostOf('renewing');
const GRACEFUL = hostOf('graceful');
const LASTING = hostOf('lasting');

/** As many as one session with tokens of five seconds has in 90 s. */
const RENEWALS = 18;
const SESSIONS = ['alice', 'carol', 'alice', 'carol'];

export const keycloakRenewal: KeycloakPart = {
  clients: [
    ...['renewing', 'graceful'].map((id) =>
      clientAtOwnHost(id, { attributes: { 'access.token.lifespan': `${TOKEN_SECONDS}` } }),
    ),
    clientAtOwnHost('lasting'),
  ],
  providers: (issuer) => [
    testProvider(issuer, {
      name: 'renewing',
      external_host: RENEWING,
      access: { groups: ['staff'] },
      headers: { pass_jwt: true },
      oidc: oidcOf(issuer, 'renewing'),
    }),
    testProvider(issuer, {
      name: 'graceful',
      external_host: GRACEFUL,
      session: { grace: '1h' },
      headers: { pass_jwt: true },
      oidc: oidcOf(issuer, 'graceful'),
    }),
    testProvider(issuer, { name: 'lasting', external_host: LASTING, oidc: oidcOf(issuer, 'lasting') }),
  ],
  tests: (world) => {
    const check = (host: string, cookie: string): Promise<Answer> =>
      traefikCheck(world().daemon.http, `${host}/`, { cookie });
    const logIn = (host: string, user: string): Promise<string> =>
      world().logInSmall(world().smallBrowser(), host, user);

    /** Six at a time; answers with the tokens that came. */
    const sixChecks = async (cookie: string): Promise<string[]> => {
      const answers = await Promise.all(Array.from({ length: 6 }, () => check(RENEWING, cookie)));
      for (const { status, headers, body } of answers) assert.equal(status, 200, `${headers.location} ${body}`);
      return answers.map(({ headers }) => String(headers['x-authentik-jwt']));
    };

    it('renews tokens, each refresh token for one use', async () => {
      const seconds = Number(process.env['KEYCLOAK_RENEWAL_SECONDS'] ?? 0);
      if (seconds === 0)
        console.log(`Keycloak: ${RENEWALS} renewals; KEYCLOAK_RENEWAL_SECONDS=90 goes on for so long at least`);
      const cookies: string[] = [];
      for (const user of SESSIONS) cookies.push(await logIn(RENEWING, user));
      const end = performance.now() + seconds * 1_000;
      const tokens = cookies.map(() => new Set<string>());
      const renewals = (): number => tokens.reduce((sum, { size }) => sum + size - 1, 0);
      do {
        await Promise.all(
          cookies.map(async (cookie, i) => {
            for (const token of await sixChecks(cookie)) tokens[i]?.add(token);
          }),
        );
        // Others want the processors too.
        await pause(50);
      } while (renewals() < RENEWALS || performance.now() < end);
      assert.ok(tokens.every(({ size }) => size > 1));
    });

    it('lets somebody on who was away for longer than a token lives', async () => {
      const cookie = await logIn(RENEWING, 'alice');
      const [before = ''] = await sixChecks(cookie);
      await tokenIsOver(before);
      const after = new Set(await sixChecks(cookie));
      assert.equal(after.size, 1);
      assert.ok(!after.has(before));
    });

    it('may be away for a while: nobody is signed out, and others come in afterwards', async () => {
      const { keycloak, daemon } = world();
      const lasting = await logIn(LASTING, 'alice');
      const renewing = await logIn(RENEWING, 'alice');
      const graceful = await logIn(GRACEFUL, 'alice');
      const token = String((await check(GRACEFUL, graceful)).headers['x-authentik-jwt']);
      const revoked = await daemon.metric('akprox_revocations_total', 'refresh');
      await keycloak.stop();
      await tokenIsOver(token);
      assert.equal((await check(LASTING, lasting)).status, 200, 'its token lives');
      const answer = await check(RENEWING, renewing);
      assert.deepEqual([answer.status, answer.headers['retry-after']], [503, '2'], 'without session.grace');
      assert.equal(answer.headers['set-cookie'], undefined);
      const served = await check(GRACEFUL, graceful);
      assert.deepEqual([served.status, served.headers['x-auth-username']], [200, 'alice'], 'with session.grace');
      await keycloak.start();
      await until(async () => (await check(RENEWING, renewing)).status === 200);
      await until(async () => {
        const { status, headers } = await check(GRACEFUL, graceful);
        assert.equal(status, 200);
        return headers['x-authentik-jwt'] !== token;
      });
      assert.equal(await daemon.metric('akprox_revocations_total', 'refresh'), revoked);
      await logIn(LASTING, 'alice');
    });
  },
};
