// A callback that comes again: its code goes to the identity provider once, and the person gets the target or a page.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { callback } from '../../src/http/callback.js';
import { DIALECTS } from '../../src/http/dialects.js';
import { EndedLogins } from '../../src/http/ended-logins.js';
import type { Reply } from '../../src/http/exchange.js';
import { start } from '../../src/http/start.js';
import { makeApplication } from '../kit/application.js';
import { createBrowser } from '../kit/browser.js';
import { createChecks, createLogins, headerOf, requestOf, stepRequest } from '../kit/checks.js';
import type { Idp } from '../kit/idp.js';
import { SECRET, startTestIdp, testClient } from '../oidc/setup.js';

const APP = 'http://app.localhost';
const PREFIX = '/outpost.goauthentik.io';

let idp: Idp;
before(async () => {
  idp = await startTestIdp();
});
after(() => idp.close());

const pairOf = (setCookie: string): string => setCookie.split(';')[0] ?? '';

/** A worker, and the browser of somebody who has just come back from the identity provider. */
async function returned(fetching: typeof fetch = fetch) {
  let redeemed = 0;
  const client = testClient(idp.issuer, {
    fetch: (input, init) => {
      if (init?.method === 'POST' && String(input).endsWith('/token')) redeemed += 1;
      return fetching(input, init);
    },
  });
  const application = makeApplication({
    external_host: APP,
    prefix: PREFIX,
    oidc: { issuer: idp.issuer, client_id: 'app', client_secret: SECRET },
  });
  const checks = createChecks([application]);
  checks.clock.time = Date.now();
  const { context, counted } = createLogins(checks, client);
  const begun = await start(context, stepRequest(`${APP}${PREFIX}/start?rd=/deep`), application);
  const cookies = headerOf(begun, 'Set-Cookie').map(pairOf);
  const back = await createBrowser().logIn(headerOf(begun, 'Location')[0] ?? '', 'alice', (url) => url.startsWith(APP));
  const url = back.location ?? '';
  const again = (more: string[] = [], address = url, into = context): Promise<Reply> =>
    callback(into, stepRequest(address, [...cookies, ...more]), application);
  return { again, url, application, counted, context, checks, redeemed: () => redeemed };
}

describe('a callback that comes again', () => {
  it('after the login has failed: the same page, and nothing goes to the identity provider', async () => {
    const failing: typeof fetch = (input, init) =>
      String(input).endsWith('/token')
        ? Promise.resolve(Response.json({ error: 'invalid_grant' }, { status: 400 }))
        : fetch(input, init);
    const { again, redeemed, counted } = await returned(failing);
    const first = await again();
    assert.equal(first.status, 502);
    for (let i = 0; i < 2_000; i += 1) {
      const reply = await again();
      assert.equal(reply.status, 502);
      assert.match(reply.body, /Start again/);
    }
    assert.equal(redeemed(), 1);
    assert.deepEqual(counted, ['started', 'failed']);
  });

  it('after the person was refused: the same page, counted once', async () => {
    const { again, url, redeemed, counted } = await returned();
    const denied = new URL(url);
    denied.searchParams.delete('code');
    denied.searchParams.set('error', 'access_denied');
    for (let i = 0; i < 100; i += 1) assert.equal((await again([], denied.href)).status, 403);
    assert.equal((await again()).status, 403);
    assert.equal(redeemed(), 0);
    assert.deepEqual(counted, ['started', 'denied']);
  });

  it('after it has succeeded: the target for whoever has the session, on every worker; else a page', async () => {
    const { again, redeemed, context, counted } = await returned();
    const first = await again();
    assert.deepEqual([first.status, headerOf(first, 'Location')], [302, [`${APP}/deep`]]);
    const session = headerOf(first, 'Set-Cookie')
      .map(pairOf)
      .filter((cookie) => !cookie.endsWith('='));
    const elsewhere = { ...context, endedLogins: new EndedLogins() };
    for (const worker of [context, elsewhere]) {
      const reply = await again(session, undefined, worker);
      assert.deepEqual([reply.status, headerOf(reply, 'Location')], [302, [`${APP}/deep`]]);
    }
    const stranger = await again();
    assert.equal(stranger.status, 400);
    assert.match(stranger.body, /login_unknown/);
    assert.equal(redeemed(), 1);
    assert.deepEqual(counted, ['started', 'succeeded']);
  });

  it('while the first is under way: one answer for all', async () => {
    const { again, redeemed, counted, checks } = await returned();
    const replies = await Promise.all(Array.from({ length: 50 }, () => again()));
    assert.deepEqual(new Set(replies.map(({ status }) => status)), new Set([302]));
    assert.equal(redeemed(), 1);
    assert.equal(checks.store.entries.size, 1);
    assert.deepEqual(counted, ['started', 'succeeded']);
  });

  it('while the store is down: the code is kept, and the login can be completed later', async () => {
    const { again, redeemed, checks, application } = await returned();
    const old = await checks.signIn(application);
    checks.store.down = true;
    await assert.rejects(again([`${application.cookieName}=${old}`]), /store/);
    assert.equal(redeemed(), 0);
    checks.store.down = false;
    assert.equal((await again([`${application.cookieName}=${old}`])).status, 302);
  });
});

describe('rd that is our own callback', () => {
  const application = makeApplication();
  const origin = 'https://whoami.company.tld';
  const { context, counted } = createLogins(createChecks([application]), {
    connect: () => assert.fail('a login was begun'),
  } as never);

  for (const rd of [
    `${origin}/akprox/callback?code=abc&state=def`,
    `${origin}/akprox/callback?state=def&code=abc&iss=https%3A%2F%2Fidp`,
    `${origin}/akprox/callback?error=access_denied&state=def`,
    `${origin}/outpost.goauthentik.io/callback?X-authentik-auth-callback=true&code=abc&state=def`,
    `${origin}//akprox//callback?code=abc&state=def`,
    `${origin}/?X-authentik-auth-callback=true&code=abc&state=def`,
    '/akprox/callback?code=abc&state=def',
    `${origin}/akprox/callback?code=${'x'.repeat(5_000)}&state=def`,
    `${origin}/akprox/callback?code&state`,
  ]) {
    for (const [how, raw] of [
      ['encoded', encodeURIComponent(rd)],
      ['as it is', rd],
      [
        'half encoded, by ingress-nginx',
        rd.replace(/^(https:\/\/[^/]+)?(.*)$/, (_, host = '', rest) => host + encodeURIComponent(rest)),
      ],
    ] as const) {
      it(`${rd.slice(0, 70)}, ${how}: a page that names the route, never another round`, async () => {
        const query = `rd=${raw}`;
        const request = stepRequest(`${origin}/akprox/start`);
        const reply = await start(context, request.withTarget('GET', '/akprox/start', query), application);
        assert.equal(reply.status, 400);
        assert.match(reply.body, /\/akprox\//);
        assert.doesNotMatch(reply.body, /<a /);
        assert.deepEqual(headerOf(reply, 'Set-Cookie'), []);
        assert.deepEqual(counted, []);
      });
    }
  }

  it('behind nginx, from the check that it makes instead, however long the code is', async () => {
    const checks = createChecks([application]);
    for (const length of [10, 5_000]) {
      const asked = `${origin}/akprox/callback?code=${'x'.repeat(length)}&state=def`;
      const request = requestOf([
        ['host', 'whoami.company.tld'],
        ['x-original-url', asked],
      ]);
      const decision = await checks.decide(request, DIALECTS.nginx);
      if (decision.kind !== 'challenge') return assert.fail(decision.kind);
      assert.ok(decision.loginUrl.length < 4_096);
      const reply = await start(context, stepRequest(decision.loginUrl), application);
      assert.match(reply.body, /callback_not_routed/);
    }
  });
});
