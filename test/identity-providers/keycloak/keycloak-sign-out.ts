// Signing out, from here and from Keycloak. The client of the back channel is the one of the login part.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Page } from 'playwright-core';
import { testProvider, traefikCheck } from '../../kit/daemon.js';
import { PASSWORD } from '../../kit/keycloak-admin.js';
import { APP } from '../../kit/real-proxy.js';
import { until } from '../../kit/until.js';
import { REGISTERED } from './keycloak-login.js';
import { clientAtOwnHost, hostOf, type KeycloakPart, oidcOf } from './keycloak-world.js';

/** At a host of its own, which Keycloak cannot reach: only a browser can tell akprox there that a session has ended. */
const FRAMED = hostOf('framed');

export const keycloakSignOut: KeycloakPart = {
  clients: [
    clientAtOwnHost('framed', {
      settings: { frontchannelLogout: true },
      attributes: { 'frontchannel.logout.url': `${FRAMED}/akprox/frontchannel_logout` },
    }),
  ],
  providers: (issuer) => [
    testProvider(issuer, { name: 'framed', external_host: FRAMED, oidc: oidcOf(issuer, 'framed') }),
  ],
  tests: (world) => {
    /** Keycloak's logout token comes on its own way. How long it took, in milliseconds; from then on nobody is let in. */
    const isOut = async (page: Page): Promise<number> => {
      const since = performance.now();
      const cookies = (await page.context().cookies(APP)).map(({ name, value }) => `${name}=${value}`);
      const check = () => traefikCheck(world().daemon.http, `${APP}/`, { cookie: cookies.join('; ') });
      await until(async () => (await check()).status === 302);
      const ms = Math.round(performance.now() - since);
      for (const { status } of await Promise.all(Array.from({ length: 6 }, check))) assert.equal(status, 302);
      await page.goto(`${APP}/`);
      assert.ok(page.url().startsWith(`${world().realm.issuer}/`), page.url());
      return ms;
    };

    /** At Keycloak's own page, which asks first. */
    const signOutThere = async (page: Page): Promise<void> => {
      await page.goto(`${world().realm.issuer}/protocol/openid-connect/logout`);
      await page.click('#kc-logout');
    };

    it('signs out here and there', async () => {
      const { realm } = world();
      const page = await world().newPage();
      await world().logIn(page, `${APP}/`, 'alice');
      const before = await realm.sessions('alice');
      await page.goto(`${APP}/akprox/sign_out`);
      assert.equal(new URL(page.url()).origin + new URL(page.url()).pathname, REGISTERED.postLogoutRedirect);
      assert.match(await page.content(), /session at the identity provider has ended too/);
      const after = await realm.sessions('alice');
      assert.equal(after.length, before.length - 1);
      await page.goto(`${APP}/`);
      assert.ok(page.url().startsWith(`${realm.issuer}/`), 'it asks for the password again');
      await page.context().close();
    });

    // Keycloak remembers bob: to log in anew without the sign-out would bring him back, with `prompt=login` too.
    it('lets somebody who may not pass sign in as somebody else, by the button of the page', async () => {
      const { realm } = world();
      const page = await world().newPage();
      await world().logIn(page, `${APP}/deep?a=1&b=2`, 'bob');
      assert.match((await page.textContent('main')) ?? '', /signed in as bob \(bob@company\.tld\)/);
      const before = await realm.sessions('bob');
      await page.getByRole('button', { name: 'Sign in as somebody else' }).click();
      await page.waitForSelector('#username');
      assert.equal((await realm.sessions('bob')).length, before.length - 1);
      await page.fill('#username', 'alice');
      await page.fill('#password', PASSWORD);
      await Promise.all([page.waitForURL(`${APP}/deep?a=1&b=2`), page.click('#kc-login')]);
      assert.match(await page.content(), /alice@company\.tld/);
      await page.context().close();
    });

    it('signs out here when somebody signs out there', async (t) => {
      const page = await world().newPage();
      await world().logIn(page, `${APP}/`, 'alice');
      const tab = await page.context().newPage();
      await signOutThere(tab);
      t.diagnostic(`refused after ${await isOut(page)} ms`);
      await page.context().close();
    });

    it('signs out in a frame, without a back channel', async () => {
      const page = await world().newPage();
      const home = `${FRAMED}/`;
      await page.goto(`${FRAMED}/akprox/start?rd=${encodeURIComponent(home)}`);
      await world().fillIn(page, home, 'alice');
      const cookie = (await page.context().cookies(home)).map(({ name, value }) => `${name}=${value}`).join('; ');
      const status = async (): Promise<number> => (await traefikCheck(world().daemon.http, home, { cookie })).status;
      assert.equal(await status(), 200);
      await signOutThere(page);
      await until(async () => (await status()) === 302);
      await page.context().close();
    });

    it('lets the administrator end one session of a user, and the other goes on', async (t) => {
      const { realm } = world();
      const pages = [await world().newPage(), await world().newPage()] as const;
      await world().logIn(pages[0], `${APP}/`, 'carol');
      const [first = ''] = await realm.sessions('carol');
      await world().logIn(pages[1], `${APP}/`, 'carol');
      await realm.endSession(first);
      t.diagnostic(`refused after ${await isOut(pages[0])} ms`);
      await pages[1].goto(`${APP}/still`);
      assert.equal(pages[1].url(), `${APP}/still`);
      await realm.signOut('carol');
      for (const page of pages) await page.context().close();
    });

    it('lets the administrator end a session with a logout token of a key that is new', async () => {
      const { realm } = world();
      const [page, other] = [await world().newPage(), await world().newPage()];
      await world().logIn(page, `${APP}/`, 'carol');
      await realm.rotateKey('RS256');
      await realm.signOut('carol');
      await isOut(page);
      await world().logIn(other, `${APP}/`, 'carol');
      await realm.signOut('carol');
      for (const one of [page, other]) await one.context().close();
    });

    // Otherwise its one logout token names one of the sessions only (keycloak/keycloak#22914).
    it('lets the administrator end every session of a user, with "Backchannel logout session required" off', async () => {
      const { realm } = world();
      const required = (value: boolean): Promise<void> =>
        realm.changeClient('whoami', { attributes: { 'backchannel.logout.session.required': `${value}` } });
      await required(false);
      const pages = [await world().newPage(), await world().newPage()];
      for (const page of pages) await world().logIn(page, `${APP}/`, 'carol');
      await realm.signOut('carol');
      for (const page of pages) {
        await isOut(page);
        await page.context().close();
      }
      await required(true);
    });
  },
};
