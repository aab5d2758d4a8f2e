// Where a sign-out ends: one URI per application, whatever `rd` was, and a page that tells what became of the identity provider's session.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Application } from '../../src/application/application.js';
import type { Reply } from '../../src/http/exchange.js';
import { signOut } from '../../src/http/sign-out.js';
import { openSignOut, sealSignOut } from '../../src/http/sign-out-state.js';
import { signedOut } from '../../src/http/signed-out.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, headerOf, stepRequest } from '../kit/checks.js';
import { testClient } from '../oidc/setup.js';

const IDP = 'https://idp.company.tld';
const MINUTE = 60_000;
const END = `${IDP}/end`;
const METADATA = { issuer: IDP, jwks_uri: `${IDP}/jwks` };
const SINGLE = makeApplication();
const DOMAIN = makeApplication({
  name: 'domain',
  mode: 'forward_domain',
  external_host: 'https://login.company.tld',
  cookie_domain: 'company.tld',
});
const FROM_AUTHENTIK = makeApplication({ prefix: '/outpost.goauthentik.io' });

/** `endSession`: null for none. */
function setUp(application: Application, endSession: string | null | 'no answer' = END) {
  const client = testClient(IDP, {
    oidc: { client_id: 'whoami' },
    ...(endSession === 'no answer'
      ? { fetch: () => Promise.reject(new Error('nobody there')) }
      : { metadata: { ...METADATA, ...(endSession !== null && { end_session_endpoint: endSession }) } }),
  });
  const checks = createChecks([application]);
  const { context } = createLogins(checks, client);
  const cookies = (ticket?: string): string[] => (ticket === undefined ? [] : [`${application.cookieName}=${ticket}`]);
  return {
    checks,
    signOut: async (url: string, ticket?: string): Promise<URL> => {
      const reply = await signOut(context, stepRequest(url, cookies(ticket)), application);
      assert.equal(reply.status, 302);
      return new URL(headerOf(reply, 'Location')[0] ?? '');
    },
    /** As the identity provider sends the browser back, and as a sign-out sends it there itself. */
    arrive: (from: URL, ticket?: string): Promise<Reply> => {
      const to = new URL(from.searchParams.get('post_logout_redirect_uri') ?? from.href);
      to.searchParams.set('state', from.searchParams.get('state') ?? '');
      return signedOut(context, stepRequest(to.href, cookies(ticket)), application);
    },
    show: (url: string, ticket?: string) => signedOut(context, stepRequest(url, cookies(ticket)), application),
  };
}

const linksOf = ({ body }: Reply): string[] => [...body.matchAll(/href="([^"]+)"/g)].map(([, href]) => href as string);

describe('the URI to register', () => {
  for (const [name, application, asked, expected] of [
    ['forward_single', SINGLE, 'https://whoami.company.tld', 'https://whoami.company.tld/akprox/signed_out'],
    ['forward_domain', DOMAIN, 'https://app.company.tld', 'https://login.company.tld/akprox/signed_out'],
    [
      'a prefix of its own',
      FROM_AUTHENTIK,
      'https://whoami.company.tld',
      'https://whoami.company.tld/outpost.goauthentik.io/signed_out',
    ],
  ] as const) {
    it(`is one, in ${name}`, async () => {
      const world = setUp(application);
      const rds = [
        '',
        '?rd=%2Fbye',
        `?rd=${encodeURIComponent(`${asked}/a?b=c`)}`,
        '?rd=https%3A%2F%2Fevil.example%2F',
      ];
      for (const prefix of ['/akprox', '/outpost.goauthentik.io']) {
        for (const rd of rds) {
          const { searchParams } = await world.signOut(`${asked}${prefix}/sign_out${rd}`);
          assert.equal(searchParams.get('post_logout_redirect_uri'), expected);
          assert.equal(searchParams.get('client_id'), 'whoami');
          assert.ok(!decodeURIComponent(searchParams.get('state') ?? '').includes('company'), 'it is sealed');
        }
      }
    });
  }
});

describe('the page', () => {
  it("says that the identity provider's session has ended, and leads to the target", async () => {
    const world = setUp(SINGLE);
    const ticket = await world.checks.signIn(SINGLE);
    const reply = await world.arrive(
      await world.signOut('https://whoami.company.tld/akprox/sign_out?rd=%2Fbye', ticket),
    );
    assert.equal(reply.status, 200);
    assert.deepEqual(headerOf(reply, 'Cache-Control'), ['no-store']);
    assert.match(reply.body, /identity provider has ended too/);
    const target = 'https://whoami.company.tld/bye';
    assert.deepEqual(linksOf(reply), [`${SINGLE.startUrl}?rd=${encodeURIComponent(target)}`, target]);
  });

  it('has no other link when nobody said where to go, or somebody who may not', async () => {
    const world = setUp(SINGLE);
    for (const rd of ['', '?rd=https%3A%2F%2Fevil.example%2F', '?rd=//evil.example']) {
      const reply = await world.arrive(await world.signOut(`https://whoami.company.tld/akprox/sign_out${rd}`));
      assert.deepEqual(linksOf(reply), [SINGLE.startUrl]);
      assert.ok(!JSON.stringify(reply).includes('evil'));
    }
  });

  for (const [name, endSession, text] of [
    ['there is no end-session endpoint', null, /cannot be ended from here/],
    ['the identity provider does not answer', 'no answer', /could not be reached/],
  ] as const) {
    it(`is where a sign-out goes at once when ${name}, and says what goes on`, async () => {
      const world = setUp(DOMAIN, endSession);
      const at = await world.signOut('https://app.company.tld/akprox/sign_out?rd=https://app.company.tld/bye');
      assert.equal(at.origin + at.pathname, DOMAIN.signedOutUrl);
      const reply = await world.arrive(at);
      assert.match(reply.body, text);
      assert.match(reply.body, /without being asked for a password/);
      assert.ok(linksOf(reply).includes('https://app.company.tld/bye'));
    });
  }

  it('does not claim to know what it does not, and is shown all the same', async () => {
    const world = setUp(SINGLE);
    const good = sealSignOut(
      SINGLE,
      { idpSession: 'sent', target: null, somebodyElse: false },
      world.checks.clock.time,
    );
    const other = sealSignOut(
      DOMAIN,
      { idpSession: 'sent', target: null, somebodyElse: false },
      world.checks.clock.time,
    );
    const flipped = `${good.slice(0, -4)}${good.at(-4) === 'A' ? 'B' : 'A'}${good.slice(-3)}`;
    const long = 'x'.repeat(10_000);
    for (const query of [
      '',
      '?',
      '?state=',
      '?state=%00',
      `?state=${other}`,
      `?state=${flipped}`,
      `?state=${long}`,
      `?state=${good}&state=${good}`,
    ]) {
      const reply = await world.show(`${SINGLE.signedOutUrl}${query}`);
      assert.equal(reply.status, 200, query);
      assert.match(reply.body, /is not known here/, query);
      assert.deepEqual(linksOf(reply), [SINGLE.startUrl]);
    }
    assert.doesNotMatch((await world.show(`${SINGLE.signedOutUrl}?state=${good}`)).body, /is not known here/);
  });

  it('tells somebody who is signed in that they are', async () => {
    const world = setUp(SINGLE);
    const state = await world.signOut('https://whoami.company.tld/akprox/sign_out');
    const ticket = await world.checks.signIn(SINGLE, { preferred_username: '<bob>' });
    const reply = await world.arrive(state, ticket);
    assert.match(reply.body, /signed in at <bdi>whoami<\/bdi> as <bdi>&#60;bob&#62;</);
    assert.deepEqual(linksOf(reply), [SINGLE.signOutUrl, SINGLE.sessionsUrl]);
  });
});

describe('what a sign-out remembers', () => {
  const state = { idpSession: 'sent', target: 'https://whoami.company.tld/bye', somebodyElse: false } as const;

  it('is good for ten minutes, also when the clock was wrong', () => {
    const sealed = `state=${sealSignOut(SINGLE, state, 10 * MINUTE)}`;
    for (const minute of [1, 10, 19]) assert.deepEqual(openSignOut(SINGLE, sealed, minute * MINUTE), state);
    for (const minute of [0, 20, 1_000]) assert.equal(openSignOut(SINGLE, sealed, minute * MINUTE), null);
  });

  it('is bounded: a target that is too long is left out', () => {
    for (const length of [10, 1_000, 1_400, 1_500, 2_000]) {
      const target = `https://whoami.company.tld/${'x'.repeat(length)}`;
      const sealed = sealSignOut(SINGLE, { ...state, target }, 0);
      assert.ok(sealed.length <= 2_048);
      assert.deepEqual(openSignOut(SINGLE, `state=${sealed}`, 0), { ...state, target: length < 1_450 ? target : null });
    }
  });

  it('leads only where a login may lead now', () => {
    const sealed = sealSignOut(SINGLE, { ...state, target: 'https://elsewhere.company.tld/' }, 0);
    assert.equal(openSignOut(SINGLE, `state=${sealed}`, 0)?.target, null);
  });
});
