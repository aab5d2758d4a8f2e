// The daemon as it is built, behind the real Traefik with the files of deploy/, with a real Keycloak. Chromium where a person's way
// is walked, the small browser for the rest.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Browser as Chromium, chromium, type Page } from 'playwright-core';
import { type Answer, type Browser, createBrowser } from '../kit/browser.js';
import { type Daemon, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { type Keycloak, keycloakMissing, startKeycloak } from '../kit/keycloak.js';
import { PASSWORD, type Realm } from '../kit/keycloak-admin.js';
import { describeWith } from '../kit/needs.js';
import { APP, proxyMissing, type RealWorld, startApplication, startRealWorld } from '../kit/real-proxy.js';
import { until } from '../kit/until.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));
const missing =
  keycloakMissing() ?? proxyMissing('traefik') ?? (CHROMIUM === undefined ? 'Chromium is not installed' : null);

/** Clients of one algorithm each, at hosts of their own that only the small browser visits. */
const ALGORITHMS = ['PS256', 'ES256', 'EdDSA'] as const;
const hostOf = (name: string): string => `http://${name.toLowerCase()}.localhost:8080`;

describeWith(
  missing,
  'Keycloak',
  () => {
    const cleanups: (() => unknown)[] = [];
    let keycloak: Keycloak;
    let realm: Realm;
    let daemon: Daemon;
    let world: RealWorld;
    let browser: Chromium;

    before(async () => {
      keycloak = await startKeycloak();
      cleanups.push(() => keycloak[Symbol.asyncDispose]());
      realm = await keycloak.admin.makeRealm({
        name: 'company',
        users: {
          alice: { email: 'alice@company.tld', groups: ['staff', 'a|b'] },
          carol: { email: 'carol@company.tld', groups: ['staff'] },
          bob: { email: 'bob@company.tld', groups: [] },
        },
        clients: [
          {
            ...{ id: 'whoami', secret: 'whoami-client-secret' },
            redirectUris: [`${APP}/akprox/callback`],
            postLogoutUris: [`${APP}/*`],
            backchannelLogoutUrl: `${APP}/akprox/backchannel_logout`,
          },
          ...ALGORITHMS.map((algorithm) => ({
            ...{ id: algorithm, secret: `${algorithm}-client-secret` },
            redirectUris: [`${hostOf(algorithm)}/akprox/callback`],
            attributes: { 'id.token.signed.response.alg': algorithm },
          })),
          {
            ...{ id: 'renewing', secret: 'renewing-client-secret' },
            redirectUris: [`${hostOf('renewing')}/akprox/callback`],
            attributes: { 'access.token.lifespan': '12' },
          },
        ],
      });
      // Otherwise Keycloak makes the first key of an algorithm while it answers a login with it, which may wait for ten seconds.
      for (const algorithm of ALGORITHMS) await realm.rotateKey(algorithm);
      const application = await startApplication();
      cleanups.push(application.close);
      const { issuer } = realm;
      const access = { groups: ['staff'] };
      daemon = await startDaemon({
        providers: [
          testProvider(issuer, { external_host: APP, access }),
          ...ALGORITHMS.map((algorithm) =>
            testProvider(issuer, {
              name: algorithm.toLowerCase(),
              external_host: hostOf(algorithm),
              access,
              oidc: {
                ...{ issuer, client_id: algorithm, client_secret: `${algorithm}-client-secret` },
                id_token_signed_response_alg: algorithm,
              },
            }),
          ),
          testProvider(issuer, {
            name: 'renewing',
            external_host: hostOf('renewing'),
            access,
            headers: { pass_jwt: true },
            oidc: { issuer, client_id: 'renewing', client_secret: 'renewing-client-secret' },
          }),
        ],
      });
      cleanups.push(() => daemon[Symbol.asyncDispose]());
      const around = { mode: 'single', daemon, issuer, application, [Symbol.asyncDispose]: async () => {} } as const;
      world = await startRealWorld('traefik', 'single', { around });
      cleanups.push(() => world[Symbol.asyncDispose]());
      keycloak.reachCompanyAt(world.port);
      browser = await chromium.launch({
        executablePath: CHROMIUM ?? '',
        args: [
          `--host-resolver-rules=MAP *.company.tld:443 127.0.0.1:${world.port}`,
          ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
          ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
        ],
      });
      cleanups.push(() => browser.close());
    });

    after(async () => {
      for (const cleanUp of cleanups.reverse()) await cleanUp();
    });

    /** A page of a browser that has no cookies yet. */
    const newPage = async (): Promise<Page> => (await browser.newContext({ ignoreHTTPSErrors: true })).newPage();

    /** Ends where Keycloak's form leads to. */
    const logIn = async (page: Page, url: string, user: string): Promise<void> => {
      await page.goto(url);
      assert.ok(page.url().startsWith(`${realm.issuer}/`), page.url());
      await page.fill('#username', user);
      await page.fill('#password', PASSWORD);
      await Promise.all([page.waitForURL(url), page.click('#kc-login')]);
    };

    const smallBrowser = (): Browser =>
      createBrowser({
        connect: ({ hostname }) =>
          hostname.endsWith('.localhost') ? { host: '127.0.0.1', port: Number(new URL(daemon.http).port) } : undefined,
      });

    /** The same in the small browser, where there is no proxy; gives what a check of that host sends along. */
    const logInSmall = async (small: Browser, host: string, user: string): Promise<string> => {
      const form = await small.follow(await small.get(`${host}/akprox/start?rd=${encodeURIComponent(`${host}/`)}`));
      const ended = await small.follow(await submit(small, form, user), (url) => url === `${host}/`);
      assert.equal(ended.location, `${host}/`, `${ended.status} ${ended.body}`);
      return (await small.cookies(`${host}/`)).join('; ');
    };

    it('brings alice in with what it knows of her, and keeps bob out', async () => {
      const page = await newPage();
      await logIn(page, `${APP}/docs/?a=1`, 'alice');
      const seen = world.seen.find(({ url }) => url === '/docs/?a=1');
      const headers = new Map(seen?.headers);
      assert.equal(headers.get('x-auth-username'), 'alice');
      assert.equal(headers.get('x-forwarded-email'), 'alice@company.tld');
      assert.deepEqual((headers.get('x-auth-groups') ?? '').split('|').sort(), ['a%7Cb', 'staff']);
      assert.equal(headers.get('x-authentik-name'), 'Alice Example');

      const other = await newPage();
      await logIn(other, `${APP}/bob`, 'bob');
      assert.match(await other.content(), /may not use this application/);
      assert.ok(!world.seen.some(({ url }) => url === '/bob'));
      await page.context().close();
      await other.context().close();
    });

    it('signs out here and there', async () => {
      const page = await newPage();
      await logIn(page, `${APP}/`, 'alice');
      const before = await realm.sessions('alice');
      await page.goto(`${APP}/akprox/sign_out`);
      const after = await realm.sessions('alice');
      assert.equal(after.length, before.length - 1);
      await page.goto(`${APP}/`);
      assert.ok(page.url().startsWith(`${realm.issuer}/`), 'it asks for the password again');
      await page.context().close();
    });

    /** Keycloak's logout token comes on its own way. */
    const isOut = (page: Page): Promise<void> =>
      until(async () => {
        await page.goto(`${APP}/`);
        return page.url().startsWith(`${realm.issuer}/`);
      });

    it('lets the administrator end a session, here too', async () => {
      const page = await newPage();
      await logIn(page, `${APP}/`, 'carol');
      await realm.signOut('carol');
      await isOut(page);
      await page.context().close();
    });

    // Otherwise its one logout token names one of the sessions only (keycloak/keycloak#22914).
    it('lets the administrator end every session of a user, with "Backchannel logout session required" off', async () => {
      await realm.changeClient('whoami', { attributes: { 'backchannel.logout.session.required': 'false' } });
      const pages = [await newPage(), await newPage()];
      for (const page of pages) await logIn(page, `${APP}/`, 'carol');
      await realm.signOut('carol');
      for (const page of pages) {
        await isOut(page);
        await page.context().close();
      }
    });

    for (const algorithm of ALGORITHMS) {
      it(`signs with ${algorithm}`, async () => {
        const cookie = await logInSmall(smallBrowser(), hostOf(algorithm), 'alice');
        const { status, headers } = await traefikCheck(daemon.http, `${hostOf(algorithm)}/`, { cookie });
        assert.deepEqual([status, headers['x-auth-username']], [200, 'alice']);
      });
    }

    it('signs with a new key, and a login comes through: at the latest when we may ask for the keys again', async () => {
      const host = hostOf('ES256');
      const before = await logInSmall(smallBrowser(), host, 'alice');
      await realm.rotateKey('ES256', true);
      let cookie = '';
      await until(async () => {
        cookie = await logInSmall(smallBrowser(), host, 'alice');
        return true;
      });
      for (const one of [before, cookie]) {
        const { status } = await traefikCheck(daemon.http, `${host}/`, { cookie: one });
        assert.equal(status, 200);
      }
    });

    it('renews tokens, each refresh token for one use', async () => {
      const host = hostOf('renewing');
      const cookie = await logInSmall(smallBrowser(), host, 'alice');
      const tokens = new Set<unknown>();
      while (tokens.size < 3) {
        const checks = Array.from({ length: 6 }, () => traefikCheck(daemon.http, `${host}/`, { cookie }));
        for (const { status, headers } of await Promise.all(checks)) {
          assert.equal(status, 200);
          tokens.add(headers['x-authentik-jwt']);
        }
        // Others want the processors too.
        await pause(20);
      }
    });

    it('may be away for a while: whoever is in stays in, and others come in afterwards', async () => {
      const host = hostOf('PS256');
      const cookie = await logInSmall(smallBrowser(), host, 'alice');
      await keycloak.stop();
      const { status } = await traefikCheck(daemon.http, `${host}/`, { cookie });
      assert.equal(status, 200);
      await keycloak.start();
      await logInSmall(smallBrowser(), host, 'alice');
    });
  },
  { timeout: 900_000 },
);

async function submit(browser: Browser, form: Answer, user: string): Promise<Answer> {
  const action = /<form id="kc-form-login"[^>]*\saction="([^"]+)"/.exec(form.body)?.[1];
  assert.ok(action, `not Keycloak's form: ${form.status} ${form.url} ${form.body}`);
  return browser.post(action.replaceAll('&amp;', '&'), { username: user, password: PASSWORD });
}
