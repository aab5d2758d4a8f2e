// Signing out, from here and from Keycloak. The client is the one of the login part.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Page } from 'playwright-core';
import { PASSWORD } from '../../kit/keycloak-admin.js';
import { APP } from '../../kit/real-proxy.js';
import { until } from '../../kit/until.js';
import { REGISTERED } from './keycloak-login.js';
import type { KeycloakPart } from './keycloak-world.js';

export const keycloakSignOut: KeycloakPart = {
  tests: (world) => {
    /** Keycloak's logout token comes on its own way. */
    const isOut = (page: Page): Promise<void> =>
      until(async () => {
        await page.goto(`${APP}/`);
        return page.url().startsWith(`${world().realm.issuer}/`);
      });

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

    it('lets the administrator end a session, here too', async () => {
      const page = await world().newPage();
      await world().logIn(page, `${APP}/`, 'carol');
      await world().realm.signOut('carol');
      await isOut(page);
      await page.context().close();
    });

    // Otherwise its one logout token names one of the sessions only (keycloak/keycloak#22914).
    it('lets the administrator end every session of a user, with "Backchannel logout session required" off', async () => {
      const { realm } = world();
      await realm.changeClient('whoami', { attributes: { 'backchannel.logout.session.required': 'false' } });
      const pages = [await world().newPage(), await world().newPage()];
      for (const page of pages) await world().logIn(page, `${APP}/`, 'carol');
      await realm.signOut('carol');
      for (const page of pages) {
        await isOut(page);
        await page.context().close();
      }
    });
  },
};
