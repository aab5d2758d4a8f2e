// Logging in behind the proxy, as a person does it.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { registeredUris } from '../../../src/application/registered-uris.js';
import { testProvider, traefikCheck } from '../../kit/daemon.js';
import { APP } from '../../kit/real-proxy.js';
import { clientAtOwnHost, hostOf, type KeycloakPart, oidcOf } from './keycloak-world.js';

const ORIGIN = { origin: APP, host: '', hostname: '', secure: true };
export const REGISTERED = registeredUris({ origin: ORIGIN, prefix: '/akprox' });

/** Its mapper puts groups into userinfo, and not into the ID token. */
const ASKED = 'groups-in-userinfo';

export const keycloakLogin: KeycloakPart = {
  clients: [
    {
      ...{ id: 'whoami', secret: 'whoami-client-secret' },
      // What `akprox check` prints, and nothing besides.
      redirectUris: [REGISTERED.redirect],
      postLogoutUris: [REGISTERED.postLogoutRedirect],
      backchannelLogoutUrl: REGISTERED.backChannelLogout,
    },
    clientAtOwnHost(ASKED, { groups: 'userinfo' }),
  ],
  providers: (issuer) => [
    testProvider(issuer, { external_host: APP, access: { groups: ['staff'] } }),
    testProvider(issuer, {
      name: ASKED,
      external_host: hostOf(ASKED),
      access: { groups: ['staff'] },
      oidc: oidcOf(issuer, ASKED),
    }),
  ],
  tests: (world) => {
    it('brings alice in with what it knows of her, and keeps bob out', async () => {
      const { proxy } = world();
      const page = await world().newPage();
      await world().logIn(page, `${APP}/docs/?a=1`, 'alice');
      const seen = proxy.seen.find(({ url }) => url === '/docs/?a=1');
      const headers = new Map(seen?.headers);
      assert.equal(headers.get('x-auth-username'), 'alice');
      assert.equal(headers.get('x-forwarded-email'), 'alice@company.tld');
      assert.deepEqual((headers.get('x-auth-groups') ?? '').split('|').sort(), ['a%7Cb', 'staff']);
      assert.equal(headers.get('x-authentik-name'), 'Alice Example');

      const other = await world().newPage();
      await world().logIn(other, `${APP}/bob`, 'bob');
      assert.match(await other.content(), /may not use this application/);
      assert.ok(!proxy.seen.some(({ url }) => url === '/bob'));
      await page.context().close();
      await other.context().close();
    });

    it('is asked for groups that its ID token lacks', async () => {
      const url = `${hostOf(ASKED)}/`;
      const checkAs = async (user: string) => {
        const cookie = await world().logInSmall(world().smallBrowser(), hostOf(ASKED), user);
        return traefikCheck(world().daemon.http, url, { cookie });
      };
      const { status, headers } = await checkAs('alice');
      assert.equal(status, 200);
      assert.deepEqual(String(headers['x-auth-groups']).split('|').sort(), ['a%7Cb', 'staff']);
      assert.equal((await checkAs('bob')).status, 403);
    });
  },
};
