// One login from end to end: real provider, real workers, real gateway. What issue 1 says must work, as a browser sees it.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { identityHeaderNames } from '../../src/application/identity.js';
import { request } from '../kit/daemon.js';
import { APP, startWorld, type World } from '../kit/world.js';

for (const routeOutpostPaths of [true, false]) {
  describe(routeOutpostPaths ? 'a login, /akprox/ routed to the outpost' : 'a login, every step in-band', () => {
    let world: World;
    before(async () => {
      world = await startWorld({ routeOutpostPaths });
    });
    after(() => world[Symbol.asyncDispose]());

    it('sends an anonymous browser to the provider and creates nothing', async () => {
      const answer = await world.browser().get(`${APP}/page?x=1&y=2`);
      assert.equal(answer.status, 302);
      assert.equal(answer.location, `${APP}/akprox/start?rd=${encodeURIComponent(`${APP}/page?x=1&y=2`)}`);
      assert.equal(answer.headers['set-cookie'], undefined);
    });

    it('answers a fetch with 401 and JSON', async () => {
      const answer = await world.browser().get(`${APP}/api`, { 'Sec-Fetch-Mode': 'cors', Accept: 'application/json' });
      assert.equal(answer.status, 401);
      const body = JSON.parse(answer.body) as Record<string, string>;
      assert.equal(body['error'], 'login_required');
      assert.match(body['login_url'] ?? '', /^http:\/\/whoami\.localhost:8080\/akprox\/start\?rd=/);
    });

    it('brings alice to the page that she asked for, with every identity header', async () => {
      const browser = world.browser();
      const page = await browser.logIn(`${APP}/page?x=1&y=2`, 'alice');
      assert.equal(page.status, 200);
      assert.equal(page.url, `${APP}/page?x=1&y=2`);
      const seen = await browser.get(`${APP}/again`, { Accept: 'application/json' });
      const headers = (JSON.parse(seen.body) as { headers: Record<string, string> }).headers;
      for (const name of identityHeaderNames(['akprox', 'authentik'], false, false))
        assert.ok(name.toLowerCase() in headers, name);
      assert.equal(headers['x-auth-username'], 'alice');
      assert.equal(headers['x-authentik-email'], 'alice@example.com');
      assert.equal(headers['x-auth-groups'], 'staff|a%7Cb');
    });

    it('shows bob a 403 page and does not redirect him', async () => {
      const page = await world.browser().logIn(`${APP}/`, 'bob');
      assert.equal(page.status, 403);
      assert.match(page.body, /may not use this application/);
    });

    it('serves both tabs that were opened before the login', async () => {
      const browser = world.browser();
      const first = await browser.follow(await browser.get(`${APP}/one`));
      const second = await browser.follow(await browser.get(`${APP}/two`));
      for (const [tab, path] of [
        [second, '/two'],
        [first, '/one'],
      ] as const) {
        const action = /<form\b[^>]*\baction="([^"]*)"/.exec(tab.body)?.[1];
        // The second tab may find that the provider has a session by now, and then shows no form.
        const done = action
          ? await browser.follow(await browser.post(new URL(action, tab.url).href, { login: 'alice', password: 'x' }))
          : tab;
        assert.equal(done.url, `${APP}${path}`);
        assert.equal(done.status, 200);
      }
    });

    it('gives a new session id at every login and ends the one before', async () => {
      const browser = world.browser();
      await browser.logIn(`${APP}/`, 'alice');
      const [old] = (await browser.cookies(`${APP}/`)).filter((cookie) => cookie.startsWith('authentik_proxy_'));
      assert.ok(old);
      await browser.follow(await browser.get(`${APP}/akprox/start`));
      const [fresh] = (await browser.cookies(`${APP}/`)).filter((cookie) => cookie.startsWith('authentik_proxy_'));
      assert.notEqual(fresh, old);
      assert.equal((await world.browser().get(`${APP}/`, { Cookie: old })).status, 302);
      assert.equal((await browser.get(`${APP}/`)).status, 200);
    });

    it('leads a callback that comes twice to its target while the session lives', async () => {
      const browser = world.browser();
      let callback = '';
      const stopped = await browser.logIn(`${APP}/deep`, 'alice', (url) => {
        if (url.includes('/akprox/callback')) callback = url;
        return url.includes('/akprox/callback');
      });
      assert.equal(stopped.location, callback);
      assert.equal((await browser.get(callback)).location, `${APP}/deep`);
      assert.equal((await browser.get(callback)).location, `${APP}/deep`);
      // From another browser it is not a login.
      const foreign = await world.browser().get(callback);
      assert.equal(foreign.status, 400);
      assert.match(foreign.body, /login_unknown/);
      assert.equal(foreign.headers['set-cookie'], undefined);
    });

    it('signs out here and at the provider', async () => {
      const browser = world.browser();
      await browser.logIn(`${APP}/`, 'alice');
      const cookies = await browser.cookies(`${APP}/`);
      const answer = await browser.get(`${APP}/akprox/sign_out`);
      assert.equal(answer.status, 302);
      assert.ok(answer.location?.startsWith(world.idp.issuer));
      assert.match(answer.location ?? '', /id_token_hint=/);
      assert.equal(answer.headers['clear-site-data'], '"cache"');
      const end = await browser.follow(answer);
      // A 2xx of a check would let the request pass.
      assert.equal(end.status, routeOutpostPaths ? 200 : 401);
      assert.ok(end.url.startsWith(`${APP}/akprox/signed_out?state=`), end.url);
      assert.match(end.body, /identity provider has ended too/);
      const again = await browser.follow(await browser.get(`${APP}/`));
      assert.match(again.body, /name="login"/, 'the provider asks who it is again');
      assert.equal(
        (await world.browser().get(`${APP}/`, { Cookie: cookies.join('; ') })).status,
        302,
        'the old cookie is worth nothing',
      );
    });

    it('shows a page for a login that the provider refused', async () => {
      const browser = world.browser();
      const start = await browser.get(`${APP}/akprox/start`);
      const state = new URL(start.location ?? '').searchParams.get('state') ?? '';
      const denied = await browser.get(
        `${APP}/akprox/callback?error=access_denied&error_description=%3Cscript%3E&state=${state}`,
      );
      assert.equal(denied.status, 403);
      assert.match(denied.body, /login_denied/);
      assert.ok(!denied.body.includes('script>'));
    });
  });
}

describe('P/userinfo', () => {
  it('tells a browser about its own session, without tokens, and 401 without one', async () => {
    await using world = await startWorld();
    const browser = world.browser();
    assert.equal((await browser.get(`${APP}/akprox/userinfo`)).status, 401);
    await browser.logIn(`${APP}/`, 'alice');
    const answer = await browser.get(`${APP}/akprox/userinfo`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['cache-control'], 'no-store');
    const body = JSON.parse(answer.body) as Record<string, unknown>;
    assert.equal(body['preferred_username'], 'alice');
    assert.ok(!answer.body.includes('eyJ'), 'no token');
    assert.equal((await request(`${world.daemon.http}/akprox/ping`, { headers: { Host: 'anything' } })).status, 204);
  });
});
