// Renewal of tokens that live for seconds, with refresh tokens that are good for one use, and a Keycloak that is away.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { testProvider, traefikCheck } from '../../kit/daemon.js';
import { clientAtOwnHost, hostOf, type KeycloakPart, oidcOf } from './keycloak-world.js';

const RENEWING = hostOf('renewing');
const LASTING = hostOf('lasting');

export const keycloakRenewal: KeycloakPart = {
  clients: [clientAtOwnHost('renewing', { attributes: { 'access.token.lifespan': '12' } }), clientAtOwnHost('lasting')],
  providers: (issuer) => [
    testProvider(issuer, {
      name: 'renewing',
      external_host: RENEWING,
      access: { groups: ['staff'] },
      headers: { pass_jwt: true },
      oidc: oidcOf(issuer, 'renewing'),
    }),
    testProvider(issuer, { name: 'lasting', external_host: LASTING, oidc: oidcOf(issuer, 'lasting') }),
  ],
  tests: (world) => {
    it('renews tokens, each refresh token for one use', async () => {
      const cookie = await world().logInSmall(world().smallBrowser(), RENEWING, 'alice');
      const tokens = new Set<unknown>();
      while (tokens.size < 3) {
        const checks = Array.from({ length: 6 }, () => traefikCheck(world().daemon.http, `${RENEWING}/`, { cookie }));
        for (const { status, headers } of await Promise.all(checks)) {
          assert.equal(status, 200);
          tokens.add(headers['x-authentik-jwt']);
        }
        // Others want the processors too.
        await pause(20);
      }
    });

    it('may be away for a while: whoever is in stays in, and others come in afterwards', async () => {
      const { keycloak, daemon } = world();
      const cookie = await world().logInSmall(world().smallBrowser(), LASTING, 'alice');
      await keycloak.stop();
      const { status } = await traefikCheck(daemon.http, `${LASTING}/`, { cookie });
      assert.equal(status, 200);
      await keycloak.start();
      await world().logInSmall(world().smallBrowser(), LASTING, 'alice');
    });
  },
};
