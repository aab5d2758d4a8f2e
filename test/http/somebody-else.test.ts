// “Sign in as somebody else”: the session ends here and at the identity provider before the next login begins, and whoever presses the button
// ends where they wanted to go. A page of somebody else presses nothing.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Reply, Snapshot } from '../../src/http/exchange.js';
import { signOut } from '../../src/http/sign-out.js';
import { signedOut } from '../../src/http/signed-out.js';
import { start } from '../../src/http/start.js';
import { promptForAnother } from '../../src/oidc/another-account.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, headerOf, requestOf, stepRequest } from '../kit/checks.js';
import { testClient } from '../oidc/setup.js';

const IDP = 'https://idp.company.tld';
const APP = 'https://whoami.company.tld';
const WANTED = `${APP}/wiki?a=1&b=2`;
const QUERY = `somebody_else=1&rd=${encodeURIComponent(WANTED)}`;
const METADATA = { issuer: IDP, jwks_uri: `${IDP}/jwks`, authorization_endpoint: `${IDP}/authorize` };

async function setUp(more: Record<string, unknown> = { end_session_endpoint: `${IDP}/end` }) {
  const application = makeApplication();
  const client = testClient(IDP, { oidc: { client_id: 'whoami' }, metadata: { ...METADATA, ...more } });
  const checks = createChecks([application]);
  const { context } = createLogins(checks, client);
  const ticket = await checks.signIn(application);
  const cookie = `${application.cookieName}=${ticket}`;
  const press = (headers: readonly (readonly [string, string])[], query = QUERY): Promise<Reply> =>
    signOut(
      context,
      Snapshot.of(requestOf([...headers, ['cookie', cookie]], { method: 'POST', path: '/akprox/sign_out', query }), ''),
      application,
    );
  return {
    press,
    kind: async () => (await checks.sessions.load(ticket, application)).kind,
    back: (url: URL) => signedOut(context, stepRequest(url.href), application),
    start: (url: URL) => start(context, stepRequest(url.href), application),
  };
}

const locationOf = (reply: Reply): URL => new URL(headerOf(reply, 'Location')[0] ?? assert.fail(String(reply.status)));
const BUTTON = [
  ['sec-fetch-mode', 'navigate'],
  ['sec-fetch-dest', 'document'],
  ['sec-fetch-site', 'same-origin'],
] as const;

describe('to sign in as somebody else', () => {
  it('ends the session here, then there, and begins a login that asks who it is and leads where they wanted to go', async () => {
    const person = await setUp();
    const atIdp = locationOf(await person.press(BUTTON));
    assert.equal(await person.kind(), 'none');
    assert.equal(atIdp.origin + atIdp.pathname, `${IDP}/end`);
    const back = new URL(atIdp.searchParams.get('post_logout_redirect_uri') ?? '');
    back.searchParams.set('state', atIdp.searchParams.get('state') ?? '');
    const next = locationOf(await person.back(back));
    assert.equal(next.href, `${APP}/akprox/start?${QUERY}`);
    const login = locationOf(await person.start(next));
    assert.equal(login.origin + login.pathname, `${IDP}/authorize`);
    assert.equal(login.searchParams.get('prompt'), 'login');
  });

  it('goes straight to the login where the identity provider cannot end its session, and asks it which account', async () => {
    const person = await setUp({});
    const back = locationOf(await person.press(BUTTON));
    assert.equal(back.pathname, '/akprox/signed_out');
    const login = locationOf(await person.start(locationOf(await person.back(back))));
    assert.equal(login.searchParams.get('prompt'), 'select_account');
  });

  it('is nothing that another site, a frame or a prefetch can do', async () => {
    for (const headers of [
      [
        ['sec-fetch-site', 'cross-site'],
        ['sec-fetch-mode', 'navigate'],
      ],
      [['sec-fetch-dest', 'iframe']],
      [['sec-purpose', 'prefetch']],
    ] as const) {
      const person = await setUp();
      assert.equal((await person.press(headers)).status, 403);
      assert.equal(await person.kind(), 'allow');
    }
  });

  it('is asked for by the mark in front only: what stands behind rd= belongs to the target', async () => {
    const person = await setUp({});
    const back = locationOf(await person.press(BUTTON, `rd=${WANTED}&somebody_else=1`));
    assert.equal((await person.back(back)).status, 200);
    const ordinary = locationOf(await person.start(new URL(`${APP}/akprox/start?rd=${WANTED}`)));
    assert.equal(ordinary.searchParams.get('prompt'), null);
  });

  for (const [what, metadata, prompt] of [
    ['a session that can be ended', { end_session_endpoint: 'x' }, 'login'],
    ['a session that cannot', {}, 'select_account'],
    ['a list without the better one', { prompt_values_supported: ['none', 'login'] }, 'login'],
    ['another', { end_session_endpoint: 'x', prompt_values_supported: ['select_account'] }, 'select_account'],
    ['a list with neither', { prompt_values_supported: ['none', 7] }, undefined],
    ['a list that is none', { prompt_values_supported: 'login' }, 'select_account'],
  ] as const) {
    it(`asks with prompt=${prompt} for ${what}`, () => {
      assert.equal(promptForAnother({ ...METADATA, ...metadata } as never).prompt, prompt);
    });
  }
});
