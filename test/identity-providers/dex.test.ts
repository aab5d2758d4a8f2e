// The daemon as it is built, with a real dex, which ends no sessions and knows of some people neither a user name nor groups.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { type Browser, createBrowser } from '../kit/browser.js';
import { checkOnline } from '../kit/check-online.js';
import { type Daemon, startDaemon, testProvider, traefikCheck } from '../kit/daemon.js';
import { type Dex, dexMissing, startDex, WITH_GROUPS } from '../kit/dex.js';
import { describeWith } from '../kit/needs.js';

/** Only for those with groups, and for everybody. */
const AUTHORS = 'http://authors.localhost:8080';
const EVERYBODY = 'http://everybody.localhost:8080';
const ALICE = 'alice@company.tld';

describeWith(
  dexMissing(),
  'dex',
  () => {
    const cleanups: (() => unknown)[] = [];
    let dex: Dex;
    let daemon: Daemon;

    before(async () => {
      const clientAt = (host: string) => ({ redirectUri: `${host}/akprox/callback` });
      dex = await startDex({
        clients: { authors: clientAt(AUTHORS), everybody: clientAt(EVERYBODY) },
        people: [ALICE],
        tokenSeconds: 2,
      });
      cleanups.push(() => dex[Symbol.asyncDispose]());
      const { issuer } = dex;
      const scopes = ['openid', 'profile', 'email', 'groups', 'offline_access'];
      const provider = (name: string, host: string, groups: readonly string[]) =>
        testProvider(issuer, {
          ...{ name, external_host: host, access: { groups }, headers: { pass_jwt: true } },
          oidc: { issuer, client_id: name, client_secret: `${name}-client-secret`, scopes },
        });
      daemon = await startDaemon({
        providers: [provider('authors', AUTHORS, WITH_GROUPS.groups), provider('everybody', EVERYBODY, [])],
      });
      cleanups.push(() => daemon[Symbol.asyncDispose]());
    });

    after(async () => {
      for (const cleanUp of cleanups.reverse()) await cleanUp();
    });

    /** There is no proxy: the hosts are the daemon's own. */
    const newBrowser = (): Browser =>
      createBrowser({
        connect: ({ hostname }) =>
          hostname.endsWith('.localhost') ? { host: '127.0.0.1', port: Number(new URL(daemon.http).port) } : undefined,
      });
    const logIn = (browser: Browser, host: string, person: string | null): Promise<void> =>
      dex.logIn(
        browser,
        `${host}/akprox/start?rd=${encodeURIComponent(`${host}/`)}`,
        person,
        (url) => url === `${host}/`,
      );
    const check = async (browser: Browser, host: string) =>
      traefikCheck(daemon.http, `${host}/`, { cookie: (await browser.cookies(`${host}/`)).join('; ') });

    it('is asked by akprox check --online, which tells a good client from one that is not', async () => {
      const { issuer } = dex;
      const check = (client_secret: string) =>
        checkOnline({
          providers: [
            testProvider(issuer, { external_host: AUTHORS, oidc: { issuer, client_id: 'authors', client_secret } }),
          ],
        });
      const good = await check('authors-client-secret');
      assert.deepEqual([good.code, good.findings], [0, ['no_end_session']], good.output);
      assert.match(good.output, /takes us for the client authors$/m);
      assert.deepEqual((await check('wrong')).findings, ['no_end_session', 'client_refused']);
      // It does not know `prompt=none`.
      assert.match(good.output, /^unseen {3}.*whether the redirect URI is registered/m);
    });

    it('brings in whoever has groups, by the address where there is no user name', async () => {
      const browser = newBrowser();
      await logIn(browser, AUTHORS, null);
      const { status, headers } = await check(browser, AUTHORS);
      assert.equal(status, 200);
      assert.equal(headers['x-auth-username'], WITH_GROUPS.email);
      assert.equal(headers['x-forwarded-email'], WITH_GROUPS.email);
      assert.equal(headers['x-auth-groups'], WITH_GROUPS.groups.join('|'));
    });

    it('keeps out whom it knows no groups of, and says why; where no group is asked for, they come in', async () => {
      const browser = newBrowser();
      await logIn(browser, AUTHORS, ALICE);
      assert.equal((await check(browser, AUTHORS)).status, 403);
      await daemon.waitFor(({ provider, msg }) => provider === 'authors' && /no list of groups/.test(String(msg)));
      await logIn(browser, EVERYBODY, ALICE);
      const { status, headers } = await check(browser, EVERYBODY);
      assert.equal(status, 200);
      assert.equal(headers['x-auth-username'], ALICE);
    });

    it('renews tokens, each refresh token for one use', async () => {
      const browser = newBrowser();
      await logIn(browser, AUTHORS, null);
      const tokens = new Set<unknown>();
      while (tokens.size < 3) {
        const answers = await Promise.all(Array.from({ length: 6 }, () => check(browser, AUTHORS)));
        for (const { status, headers } of answers) {
          assert.equal(status, 200);
          tokens.add(headers['x-authentik-jwt']);
        }
        // Others want the processors too.
        await pause(50);
      }
    });

    it('signs out here, with a page: dex has no end to go to', async () => {
      const browser = newBrowser();
      await logIn(browser, EVERYBODY, ALICE);
      const ended = await browser.follow(await browser.get(`${EVERYBODY}/akprox/sign_out`));
      assert.equal(ended.status, 200);
      assert.ok(ended.url.startsWith(`${EVERYBODY}/akprox/`), ended.url);
      assert.equal((await check(browser, EVERYBODY)).status, 302);
    });
  },
  { timeout: 300_000 },
);
