// The daemon as it is built, with a real hydra. Its own address is its public one: hydra's logout tokens come straight to it.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Browser, createBrowser } from '../kit/browser.js';
import { checkOnline } from '../kit/check-online.js';
import { type Daemon, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { type Hydra, hydraMissing, startHydra } from '../kit/hydra.js';
import { describeWith } from '../kit/needs.js';
import { freePorts } from '../kit/ports.js';
import { tokenIsOver } from '../kit/token-end.js';
import { until } from '../kit/until.js';

const user = (name: string, groups: readonly string[]) => ({
  ...{ preferred_username: name, name, groups },
  ...{ email: `${name}@company.tld`, email_verified: true },
});

describeWith(
  hydraMissing(),
  'hydra',
  () => {
    const cleanups: (() => unknown)[] = [];
    let hydra: Hydra;
    let daemon: Daemon;
    let origin: string;

    before(async () => {
      const users = { alice: user('alice', ['staff', 'a|b']), bob: user('bob', []) };
      hydra = await startHydra({ users, tokenSeconds: 8 });
      cleanups.push(() => hydra[Symbol.asyncDispose]());
      const [port = 0] = await freePorts(1);
      origin = `http://127.0.0.1:${port}`;
      const scopes = ['openid', 'profile', 'email', 'offline_access'];
      await hydra.makeClient({
        client_id: 'whoami',
        client_secret: 'whoami-client-secret',
        scope: scopes.join(' '),
        grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
        redirect_uris: [`${origin}/akprox/callback`],
        post_logout_redirect_uris: [`${origin}/akprox/signed_out`],
        backchannel_logout_uri: `${origin}/akprox/backchannel_logout`,
        backchannel_logout_session_required: true,
      });
      daemon = await startDaemon({
        listen: { http: `127.0.0.1:${port}` },
        providers: [
          testProvider(hydra.issuer, {
            external_host: origin,
            access: { groups: ['staff'] },
            headers: { pass_jwt: true },
            oidc: {
              ...{ issuer: hydra.issuer, client_id: 'whoami', client_secret: 'whoami-client-secret' },
              // What hydra expects of a client, unless it is told otherwise.
              ...{ scopes, token_endpoint_auth_method: 'client_secret_basic' },
            },
          }),
        ],
      });
      cleanups.push(() => daemon[Symbol.asyncDispose]());
    });

    after(async () => {
      for (const cleanUp of cleanups.reverse()) await cleanUp();
    });

    it('is asked by akprox check --online, which tells a good client from one that is not', async () => {
      const oidc = { issuer: hydra.issuer, client_id: 'whoami', client_secret: 'whoami-client-secret' };
      const check = (changes: object, host = origin) =>
        checkOnline({
          providers: [testProvider(hydra.issuer, { external_host: host, oidc: { ...oidc, ...changes } })],
        });
      const good = await check({});
      assert.deepEqual([good.code, good.findings], [0, []], good.output);
      assert.match(good.output, /takes us for the client whoami$/m);
      assert.match(good.output, /sends browsers back to http:.*\/akprox\/callback$/m);
      assert.deepEqual((await check({ client_secret: 'wrong' })).findings, ['client_refused']);
      assert.deepEqual((await check({ token_endpoint_auth_method: 'client_secret_post' })).findings, [
        'client_refused',
      ]);
      const elsewhere = await check({}, 'http://elsewhere.localhost:8080');
      assert.deepEqual([elsewhere.code, elsewhere.findings], [0, ['redirect_uri_refused']], elsewhere.output);
      const spelled = await check({ issuer: hydra.issuer.replace(/\/$/, '') });
      assert.deepEqual([spelled.code, spelled.findings], [1, ['idp_unusable']], spelled.output);
    });

    const logIn = async (browser: Browser, name: string): Promise<void> => {
      const ended = await browser.logIn(`${origin}/akprox/start?rd=${encodeURIComponent(`${origin}/`)}`, name, isHome);
      assert.equal(ended.location, `${origin}/`, `${ended.status} ${ended.url} ${ended.body}`);
    };
    const isHome = (url: string): boolean => url === `${origin}/`;
    const check = async (browser: Browser) =>
      traefikCheck(daemon.http, `${origin}/`, { cookie: (await browser.cookies(`${origin}/`)).join('; ') });

    it('brings alice in with what it knows of her, and keeps bob out', async () => {
      const browser = createBrowser();
      await logIn(browser, 'alice');
      const { status, headers } = await check(browser);
      assert.equal(status, 200);
      assert.equal(headers['x-auth-username'], 'alice');
      assert.equal(headers['x-forwarded-email'], 'alice@company.tld');
      assert.equal(headers['x-auth-groups'], 'staff|a%7Cb');

      const other = createBrowser();
      await logIn(other, 'bob');
      assert.equal((await check(other)).status, 403);
    });

    it('renews tokens, each refresh token for one use', async () => {
      const browser = createBrowser();
      await logIn(browser, 'alice');
      const tokens = new Set<unknown>();
      while (tokens.size < 3) {
        for (const { status, headers } of await Promise.all(Array.from({ length: 6 }, () => check(browser)))) {
          assert.equal(status, 200);
          tokens.add(headers['x-authentik-jwt']);
        }
        // Others want the processors too.
        await pause(20);
      }
    });

    it('lets somebody on who was away for longer than a token lives', async () => {
      const browser = createBrowser();
      await logIn(browser, 'alice');
      const before = String((await check(browser)).headers['x-authentik-jwt']);
      await tokenIsOver(before);
      const answers = await Promise.all(Array.from({ length: 6 }, () => check(browser)));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      const after = new Set(answers.map(({ headers }) => headers['x-authentik-jwt']));
      assert.equal(after.size, 1);
      assert.ok(!after.has(before));
    });

    it('signs out here and there', async () => {
      const browser = createBrowser();
      await logIn(browser, 'alice');
      const ended = await browser.follow(await browser.get(`${origin}/akprox/sign_out`));
      assert.ok(
        ended.url.startsWith(`${origin}/akprox/signed_out?state=`),
        `${ended.status} ${ended.url} ${ended.body}`,
      );
      assert.match(ended.body, /session at the identity provider has ended too/);
      assert.equal((await check(browser)).status, 302);
      const form = await browser.follow(await browser.get(`${origin}/akprox/start`), isHome);
      assert.match(form.body, /name="login"/, 'it asks who it is again');
    });

    it('signs out there, and here too', async () => {
      const browser = createBrowser();
      await logIn(browser, 'alice');
      await browser.follow(await browser.get(`${hydra.issuer}oauth2/sessions/logout`));
      await until(async () => (await check(browser)).status === 302);
    });
  },
  { timeout: 900_000 },
);
