// P/sessions: what it shows, what it ends, and for whom it does neither.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Reply, Snapshot } from '../../src/http/exchange.js';
import { mySessions } from '../../src/http/my-sessions.js';
import { MOST_LISTED } from '../../src/http/my-sessions-page.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, headerOf, requestOf } from '../kit/checks.js';
import { testClient } from '../oidc/setup.js';

const APPLICATION = makeApplication();
const URL = APPLICATION.sessionsUrl;
const SAME_ORIGIN = ['sec-fetch-site', 'same-origin'] as const;

async function setUp() {
  const checks = createChecks([APPLICATION]);
  const { context } = createLogins(checks, testClient('https://idp.company.tld', {}));
  const begin = (sub: string, browser: string) =>
    checks.signIn(APPLICATION, { sub, preferred_username: sub }, { device: { browser, client: '203.0.113.7' } });
  const ask = (
    method: string,
    cookie: string | null,
    more: readonly (readonly [string, string])[] = [],
    body: string | null = '',
  ) => {
    const headers: (readonly [string, string])[] = [['host', APPLICATION.host], ...more];
    if (cookie !== null) headers.push(['cookie', `${APPLICATION.cookieName}=${cookie}`]);
    const request = Snapshot.of(requestOf(headers, { method, path: '/akprox/sessions' }), '127.0.0.1');
    return mySessions(context, request, APPLICATION, async () => body);
  };
  return {
    checks,
    begin,
    ask,
    get: (cookie: string | null) => ask('GET', cookie),
    end: (cookie: string | null, handle: string, ...more: (readonly [string, string])[]) =>
      ask('POST', cookie, more, `end=${encodeURIComponent(handle)}`),
    isThere: async (cookie: string) => (await checks.sessions.read(cookie, APPLICATION)) !== null,
  };
}

const browsersOf = ({ body }: Reply): string[] =>
  [...body.matchAll(/<h2 id="s\d+">([^<]*)</g)].map(([, name]) => name ?? '');
const handlesOf = ({ body }: Reply): string[] =>
  [...body.matchAll(/ value="([^"]*)"/g)].map(([, value]) => value ?? '');

describe('P/sessions', () => {
  it('shows the own sessions without ids, this browser first, and nobody else’s', async () => {
    const { begin, get, checks } = await setUp();
    const own = await begin('alice', 'Firefox, Linux');
    checks.clock.time += 60_000;
    const phone = await begin('alice', 'Safari, iPhone');
    await begin('bob', 'Edge, Windows');
    const page = await get(own);
    assert.equal(page.status, 200);
    assert.deepEqual(browsersOf(page), ['Firefox, Linux (this browser)', 'Safari, iPhone']);
    assert.doesNotMatch(page.body, /renewed/);
    assert.match(page.body, /from <bdi>203\.0\.113\.7<\/bdi>/);
    for (const cookie of [own, phone])
      for (const part of cookie.split('.')) assert.ok(!page.body.includes(part.slice(0, 12)));
    const { key = '' } = (await checks.sessions.read(phone, APPLICATION)) ?? {};
    assert.ok(key !== '' && !page.body.includes(key));
    assert.equal(handlesOf(page).length, 2);
    assert.doesNotMatch((await get(await begin('carol', ''))).body, /<button/);
  });

  it('ends one other session, or all others, never its own', async () => {
    const { begin, get, end, isThere } = await setUp();
    const [own, second, third, bob] = [
      await begin('alice', 'A'),
      await begin('alice', 'B'),
      await begin('alice', 'C'),
      await begin('bob', 'B'),
    ];
    const page = await get(own);
    const handle = handlesOf(page)[browsersOf(page).indexOf('B') - 1] ?? '';
    const reply = await end(own, handle, SAME_ORIGIN);
    assert.deepEqual([reply.status, headerOf(reply, 'Location')], [303, [URL]]);
    const living = async () => Promise.all([own, second, third, bob].map(isThere));
    assert.deepEqual(await living(), [true, false, true, true]);
    assert.equal((await end(own, handle, SAME_ORIGIN)).status, 303);
    assert.equal((await end(own, handlesOf(await get(own)).at(-1) ?? '')).status, 303);
    assert.deepEqual(await living(), [true, false, false, true]);
  });

  it('ends nothing for another site, without a handle, or with one of another session', async () => {
    const { checks, begin, get, ask, end, isThere } = await setUp();
    const [own, other, bob] = [await begin('alice', 'A'), await begin('alice', 'B'), await begin('bob', 'C')];
    const [handle = ''] = handlesOf(await get(own));
    for (const site of ['cross-site', 'same-site', 'none'])
      assert.equal((await end(own, handle, ['sec-fetch-site', site])).status, 403, site);
    for (const foreign of [other, bob]) {
      const reply = await end(foreign, handle, SAME_ORIGIN);
      assert.equal(reply.status, 403);
      assert.match(reply.body, /Nothing was ended/);
    }
    const { key = '' } = (await checks.sessions.read(other, APPLICATION)) ?? {};
    assert.notEqual(key, '');
    for (const forged of ['', 'others', key, 'x'.repeat(300), `${handle.slice(0, -2)}AA`])
      assert.equal((await end(own, forged, SAME_ORIGIN)).status, 403, forged);
    assert.equal((await ask('POST', own, [SAME_ORIGIN], `end=${handle}&end=${handle}`)).status, 403);
    assert.equal((await ask('POST', own, [SAME_ORIGIN], null)).status, 413);
    assert.equal((await ask('PUT', own, [SAME_ORIGIN], `end=${handle}`)).status, 200);
    assert.deepEqual(await Promise.all([own, other, bob].map(isThere)), [true, true, true]);
  });

  it('is a login for who is not signed in', async () => {
    const { begin, get, end, ask, checks } = await setUp();
    const login = `${APPLICATION.startUrl}?rd=${encodeURIComponent(URL)}`;
    assert.deepEqual(headerOf(await get(null), 'Location'), [login]);
    assert.equal((await ask('GET', null, [['accept', 'application/json']])).status, 401);
    assert.equal((await end(null, 'x', SAME_ORIGIN)).status, 401);
    const own = await begin('alice', 'A');
    checks.clock.time += 3_600_001;
    assert.deepEqual(headerOf(await get(own), 'Location'), [login]);
  });

  it('stays small, however many there are', async () => {
    const { begin, get } = await setUp();
    const own = await begin('alice', 'A');
    for (let i = 0; i < MOST_LISTED + 5; i += 1) await begin('alice', 'Samsung Internet, Android');
    const page = await get(own);
    assert.equal(browsersOf(page).length, MOST_LISTED);
    assert.match(page.body, /And <bdi>6<\/bdi> more\./);
    assert.ok(Buffer.byteLength(page.body) < 16_384);
  });
});
