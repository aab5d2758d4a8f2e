// What Keycloak signs with: a client of each algorithm, and new keys.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testProvider, traefikCheck } from '../../kit/daemon.js';
import { clientAtOwnHost, hostOf, type KeycloakPart, oidcOf } from './keycloak-world.js';

const ALGORITHMS = ['PS256', 'ES256', 'EdDSA'] as const;

export const keycloakKeys: KeycloakPart = {
  clients: ALGORITHMS.map((algorithm) =>
    clientAtOwnHost(algorithm, { attributes: { 'id.token.signed.response.alg': algorithm } }),
  ),
  providers: (issuer) =>
    ALGORITHMS.map((algorithm) =>
      testProvider(issuer, {
        name: algorithm.toLowerCase(),
        external_host: hostOf(algorithm),
        access: { groups: ['staff'] },
        oidc: { ...oidcOf(issuer, algorithm), id_token_signed_response_alg: algorithm },
      }),
    ),
  // Otherwise Keycloak makes the first key of an algorithm while it answers a login with it, which may wait for ten seconds.
  prepare: async (realm) => {
    for (const algorithm of ALGORITHMS) await realm.rotateKey(algorithm);
  },
  tests: (world) => {
    for (const algorithm of ALGORITHMS) {
      it(`signs with ${algorithm}`, async () => {
        const host = hostOf(algorithm);
        const cookie = await world().logInSmall(world().smallBrowser(), host, 'alice');
        const { status, headers } = await traefikCheck(world().daemon.http, `${host}/`, { cookie });
        assert.deepEqual([status, headers['x-auth-username']], [200, 'alice']);
      });
    }

    it('signs with a new key while sessions and logins go on', async () => {
      const host = hostOf('ES256');
      const before = await world().logInSmall(world().smallBrowser(), host, 'alice');
      await world().realm.rotateKey('ES256', true);
      // At the first try, whenever the keys were asked for last.
      const logIn = () => world().logInSmall(world().smallBrowser(), host, 'alice');
      for (const one of [before, ...(await Promise.all([logIn(), logIn(), logIn()]))]) {
        const { status } = await traefikCheck(world().daemon.http, `${host}/`, { cookie: one });
        assert.equal(status, 200);
      }
    });
  },
};
