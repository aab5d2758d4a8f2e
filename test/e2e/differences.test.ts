// Every row of contract.md §8: where akprox differs from the official outpost, on purpose, and that it does.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { request, testProvider, traefikCheck } from '../kit/daemon.js';
import { APP, clientFor, startWorld, type World } from '../kit/world.js';

const HOST = 'whoami.localhost:8080';

describe('differences from the official outpost', () => {
  let world: World;
  let outpost: string;
  before(async () => {
    world = await startWorld({
      provider: { skip_path_regex: ['^/public/'] },
      idp: { clients: [clientFor('whoami', APP), clientFor('domain', 'http://auth.example.localhost:8080')] },
      others: (issuer) => [
        testProvider(issuer, {
          name: 'domain',
          mode: 'forward_domain',
          external_host: 'http://auth.example.localhost:8080',
          cookie_domain: 'example.localhost',
          oidc: { issuer, client_id: 'domain', client_secret: 'domain-client-secret' },
        }),
      ],
    });
    outpost = world.daemon.http;
  });
  after(() => world[Symbol.asyncDispose]());

  it('missing forward headers: 400 that names the header and the setting, not 500', async () => {
    const answer = await request(`${outpost}/akprox/auth/traefik`, { headers: { 'X-Forwarded-Host': HOST } });
    assert.equal(answer.status, 400);
    assert.match(answer.body, /X-Forwarded-Uri is missing.*forwardAuth\.address/s);
  });

  it('a login begins at P/start, not in the check: a check redirects there and sets no cookie', async () => {
    const check = await traefikCheck(outpost, `${APP}/x`);
    assert.equal(check.status, 302);
    assert.match(check.headers.location ?? '', /^http:\/\/whoami\.localhost:8080\/akprox\/start\?rd=/);
    assert.equal(check.headers['set-cookie'], undefined);
    const start = await request(`${outpost}/akprox/start`, { headers: { Host: HOST } });
    assert.ok(start.headers.location?.startsWith(world.idp.issuer));
    assert.equal(start.headers['set-cookie']?.length, 1);
  });

  it('label boundaries: evilexample.localhost is not below example.localhost', async () => {
    assert.equal((await traefikCheck(outpost, 'http://app.example.localhost:8080/')).status, 302);
    assert.equal((await traefikCheck(outpost, 'http://evilexample.localhost:8080/')).status, 400);
  });

  it('a forward URL is validated before a login leads back to it', async () => {
    const page = await world
      .browser()
      .logIn(`${APP}/akprox/start?rd=${encodeURIComponent('http://evil.example/')}`, 'alice');
    assert.equal(page.url, `${APP}/`);
  });

  it('PKCE and nonce', async () => {
    const start = await request(`${outpost}/akprox/start`, { headers: { Host: HOST } });
    const params = new URL(start.headers.location ?? '').searchParams;
    assert.equal(params.get('code_challenge_method'), 'S256');
    assert.match(params.get('code_challenge') ?? '', /^[\w-]{43}$/);
    assert.match(params.get('nonce') ?? '', /^[\w-]{43}$/);
  });

  it('a new session id at every login', async () => {
    const browser = world.browser();
    const id = async (): Promise<string> =>
      (await browser.cookies(`${APP}/`)).find((text) => text.startsWith('authentik_proxy_')) ?? '';
    await browser.logIn(`${APP}/`, 'alice');
    const first = await id();
    await browser.follow(await browser.get(`${APP}/akprox/start`));
    assert.notEqual(await id(), first);
    assert.equal((await traefikCheck(outpost, `${APP}/`, { cookie: first })).status, 302);
  });

  it('state expires: the browser is told to forget it after ten minutes (and test/http/attempt.test.ts: so do we)', async () => {
    const start = await request(`${outpost}/akprox/start`, { headers: { Host: HOST } });
    assert.match(start.headers['set-cookie']?.[0] ?? '', /Max-Age=600;/);
  });

  it('sessions survive a restart', async () => {
    await using own = await startWorld();
    const browser = own.browser();
    await browser.logIn(`${APP}/`, 'alice');
    const cookie = (await browser.cookies(`${APP}/`)).join('; ');
    await using again = await own.daemon.restart('SIGKILL');
    assert.equal((await traefikCheck(again.http, `${APP}/`, { cookie })).status, 200);
  });

  it('header authentication makes no session and asks for our audience', async () => {
    const bearer = (token: string) =>
      traefikCheck(outpost, `${APP}/`, { headers: { Authorization: `Bearer ${token}` } });
    const refused = await bearer('made-up');
    assert.equal(refused.status, 401);
    assert.equal(refused.headers['set-cookie'], undefined);
    const puts = await world.daemon.metric('akprox_logins_total', 'succeeded');
    await bearer('made-up-too');
    assert.equal(await world.daemon.metric('akprox_logins_total', 'succeeded'), puts);
    // A token of another client: test/oidc/header-auth.test.ts.
  });

  it('fetch and XHR get 401 and JSON, not a redirect', async () => {
    for (const headers of [
      { 'Sec-Fetch-Mode': 'cors' },
      { 'X-Requested-With': 'XMLHttpRequest' },
      { Accept: 'application/json' },
    ] as Record<string, string>[]) {
      const answer = await traefikCheck(outpost, `${APP}/api`, { headers });
      assert.equal(answer.status, 401);
      assert.equal((JSON.parse(answer.body) as { error: string }).error, 'login_required');
    }
  });

  it('no fallback to the only application', async () => {
    await using own = await startWorld();
    assert.equal((await traefikCheck(own.daemon.http, 'http://any.other.host/')).status, 400);
  });

  it('the identity set is complete and empty on allow-listed paths', async () => {
    const answer = await traefikCheck(outpost, `${APP}/public/logo.png`);
    assert.equal(answer.status, 200);
    for (const name of [
      'x-auth-username',
      'x-auth-groups',
      'x-forwarded-email',
      'x-authentik-username',
      'x-authentik-uid',
      'x-authentik-meta-app',
    ]) {
      assert.equal(answer.headers[name], '', name);
    }
  });
});
