// Who may sign somebody out: a person who asks for it, never a browser that fetches ahead or a page that names us as an image.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Reply, Snapshot } from '../../src/http/exchange.js';
import { signOut } from '../../src/http/sign-out.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, headerOf, requestOf } from '../kit/checks.js';
import { testClient } from '../oidc/setup.js';

const IDP = 'https://idp.company.tld';
const application = makeApplication();

type Headers = Readonly<Record<string, string>>;

/** Somebody who is signed in, and what a sign-out with these headers comes to. */
async function setUp(endSession: string | null = null) {
  const client = testClient(IDP, {
    oidc: { client_id: 'whoami' },
    ...(endSession === null
      ? { fetch: () => Promise.reject(new Error('nobody there')) }
      : { metadata: { issuer: IDP, jwks_uri: `${IDP}/jwks`, end_session_endpoint: endSession } }),
  });
  const checks = createChecks([application]);
  const { context } = createLogins(checks, client);
  const ticket = await checks.signIn(application);
  return {
    checks,
    ticket,
    signOut: (headers: Headers = {}, method = 'GET', tickets: readonly string[] = [ticket]) => {
      const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const);
      const cookies = tickets.map((value) => ['cookie', `${application.cookieName}=${value}`] as const);
      const all = [...lower, ...cookies];
      return signOut(context, Snapshot.of(requestOf(all, { method, path: '/akprox/sign_out' }), ''), application);
    },
    /** As the next check finds it, on this worker and on another. */
    signedIn: async () => {
      const here = (await checks.sessions.load(ticket, application)).kind;
      const elsewhere = (await checks.elsewhere.sessions.load(ticket, application)).kind;
      return [here, elsewhere];
    },
  };
}

const UNASKED: readonly (readonly [string, Headers])[] = [
  ['a link prefetch', { 'Sec-Purpose': 'prefetch', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'empty' }],
  ['a prerender', { 'Sec-Purpose': 'prefetch;prerender', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }],
  ['a prefetch through a proxy of the browser', { 'Sec-Purpose': 'prefetch;anonymous-client-ip' }],
  ['a prefetch in other letters', { 'Sec-Purpose': 'Prefetch' }],
  ['Safari and older Chromium', { Purpose: 'prefetch' }],
  ['Firefox', { 'X-Moz': 'prefetch' }],
  ...['image', 'script', 'style', 'iframe', 'frame', 'object', 'video', 'serviceworker', 'something new'].map(
    (dest) => [`as ${dest}`, { 'Sec-Fetch-Dest': dest, 'Sec-Fetch-Site': 'same-origin' }] as const,
  ),
  [
    'a script of another site',
    { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'empty' },
  ],
  ['another site, with CORS', { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'cors' }],
];

const ASKED: readonly (readonly [string, Headers])[] = [
  ['a browser that says nothing', {}],
  ['a click', { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'same-origin' }],
  [
    'a link of another site',
    { 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document', 'Sec-Fetch-Site': 'cross-site' },
  ],
  [
    'a script of the application',
    { 'Sec-Fetch-Mode': 'cors', 'Sec-Fetch-Dest': 'empty', 'Sec-Fetch-Site': 'same-origin' },
  ],
  ['another purpose', { 'Sec-Purpose': 'navigation' }],
];

describe('a sign-out', () => {
  for (const [name, headers] of UNASKED) {
    it(`by ${name} ends nothing`, async () => {
      const person = await setUp();
      const reply = await person.signOut(headers);
      assert.equal(reply.status, 403);
      assert.deepEqual(headerOf(reply, 'Cache-Control'), ['no-store']);
      assert.deepEqual(headerOf(reply, 'Set-Cookie'), []);
      assert.deepEqual(await person.signedIn(), ['allow', 'allow']);
    });
  }

  for (const [name, headers] of ASKED) {
    it(`by ${name} ends the session`, async () => {
      const person = await setUp();
      const reply = await person.signOut(headers);
      assert.equal(reply.status, 302);
      assert.match(headerOf(reply, 'Set-Cookie')[0] ?? '', /Max-Age=0/);
      assert.deepEqual(headerOf(reply, 'Clear-Site-Data'), ['"cache"']);
      assert.deepEqual(await person.signedIn(), ['none', 'none']);
    });
  }

  it('by a form of another site ends nothing', async () => {
    const person = await setUp();
    assert.equal(
      (await person.signOut({ 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate' }, 'POST')).status,
      403,
    );
    assert.deepEqual(await person.signedIn(), ['allow', 'allow']);
  });

  it('says so when the store could not delete the session, and refuses it all the same', async () => {
    const end = `${IDP}/end`;
    const person = await setUp(end);
    person.checks.store.readOnly = true;
    const reply = await person.signOut();
    assert.equal(reply.status, 200);
    assert.match(reply.body, /signed_out_here/);
    assert.match(reply.body, /could not be removed/);
    assert.match(reply.body, /href="https:\/\/idp\.company\.tld\/end/);
    assert.match(headerOf(reply, 'Set-Cookie')[0] ?? '', /Max-Age=0/);
    const [here] = await person.signedIn();
    assert.equal(here, 'none');
  });

  it('goes on to the identity provider when everything is deleted', async () => {
    const reply = await (await setUp(`${IDP}/end`)).signOut();
    assert.equal(reply.status, 302);
    assert.match(headerOf(reply, 'Location')[0] ?? '', /^https:\/\/idp\.company\.tld\/end/);
  });

  for (const planted of ['before', 'behind'] as const) {
    it(`gives the identity provider no hint at somebody else, whose cookie was planted ${planted} the person's`, async () => {
      const { checks, ticket, signOut: ask } = await setUp(`${IDP}/end`);
      const other = await checks.signIn(application, { sub: 'mallory' }, { idToken: 'of-mallory' });
      const hintOf = (reply: Reply) => new URL(headerOf(reply, 'Location')[0] ?? '').searchParams.get('id_token_hint');
      const reply = await ask({}, 'GET', planted === 'before' ? [other, ticket] : [ticket, other]);
      assert.equal(hintOf(reply), null);
      for (const ended of [ticket, other]) {
        assert.equal((await checks.sessions.load(ended, application)).kind, 'none');
      }
      const twice = [await checks.signIn(application), await checks.signIn(application)];
      assert.equal(hintOf(await ask({}, 'GET', twice)), 'id-token');
    });
  }
});
