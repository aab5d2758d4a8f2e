// What the ID token lacks is asked from userinfo; what is missing there too, at a login and at a renewal (contract §3, "Claims").
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { refreshTokens } from '../../src/oidc/refresh.js';
import type { Idp } from '../kit/idp.js';
import { ALICE, logIn, SECRET, seconds, startTestIdp, type TestClientOptions, testClient } from './setup.js';

const ACCESS = { groups: ['staff'], emails: [], email_domains: [] };
const { groups: _, ...WITHOUT_GROUPS } = ALICE;

let idp: Idp;
before(async () => {
  idp = await startTestIdp();
});
after(() => idp.close());

type Body = Record<string, unknown>;

/** The provider with an ID token and a userinfo answer of these claims; null: no answer. */
function provider(
  token: Body,
  userinfo: Body | null | Response,
  answer: Body = {},
): NonNullable<TestClientOptions['fetch']> {
  return async (input, init) => {
    if (String(input).endsWith('/me')) {
      if (userinfo instanceof Response) return userinfo.clone();
      return userinfo === null ? new Response('', { status: 503 }) : Response.json({ sub: 'alice', ...userinfo });
    }
    const response = await fetch(input, init);
    if (!String(input).endsWith('/token')) return response;
    const body = (await response.json()) as Body;
    const { nonce } = JSON.parse(Buffer.from(String(body['id_token']).split('.')[1] ?? '', 'base64url').toString());
    const common = { iss: idp.issuer, aud: 'app', sub: 'alice', nonce, iat: seconds(), exp: seconds() + 60 };
    return Response.json({ ...body, id_token: await idp.sign({ ...common, ...token }), ...answer });
  };
}

test('groups that only userinfo has', async () => {
  const client = testClient(idp.issuer, { fetch: provider(WITHOUT_GROUPS, { groups: ['staff'] }) });
  const { claims } = await logIn(client);
  assert.deepEqual([claims.groups, claims.email], [['staff'], ALICE.email]);
});

test('userinfo is not asked for what the ID token has', async () => {
  const client = testClient(idp.issuer, { fetch: provider(ALICE, { groups: ['other'] }) });
  assert.deepEqual((await logIn(client)).claims.groups, ['staff']);
});

test('whether the address is verified is asked for when the rule wants to know', async () => {
  const access = { groups: [], emails: [], email_domains: ['company.tld'] };
  for (const [rule, expected] of [
    [access, false],
    [undefined, null],
  ] as const) {
    const client = testClient(idp.issuer, {
      fetch: provider(ALICE, { email_verified: 'false' }),
      ...(rule && { access: rule }),
    });
    assert.equal((await logIn(client)).claims.emailVerified, expected);
  }
});

test('a signed userinfo answer, although discovery names no algorithm for it', async () => {
  const jwt = await idp.sign({ iss: idp.issuer, aud: 'app', sub: 'alice', groups: ['staff'] });
  const signed = new Response(jwt, { headers: { 'Content-Type': 'application/jwt' } });
  const client = testClient(idp.issuer, { fetch: provider(WITHOUT_GROUPS, signed) });
  assert.deepEqual((await logIn(client)).claims.groups, ['staff']);
});

for (const [what, token, event] of [
  ['no groups', WITHOUT_GROUPS, 'groups_missing'],
  ["Entra's overage", { ...WITHOUT_GROUPS, _claim_names: { groups: 'src1' } }, 'groups_left_out'],
] as const) {
  test(`a login with ${what} is named when the rule needs groups`, async () => {
    for (const access of [ACCESS, undefined]) {
      const client = testClient(idp.issuer, { fetch: provider(token, {}), ...(access && { access }) });
      await logIn(client);
      assert.deepEqual(client.events.filter((one) => one.event === event).length, access === undefined ? 0 : 1);
    }
  });
}

async function renewal(token: Body, userinfo: Body | null, options: TestClientOptions = {}) {
  const login = await logIn(testClient(idp.issuer));
  const client = testClient(idp.issuer, { ...options, fetch: provider(token, userinfo) });
  return { login, result: await refreshTokens(client, login.refreshToken ?? '', login) };
}

test('without a new ID token userinfo is asked for what the former one lacked', async () => {
  for (const [userinfo, expected] of [
    [{ groups: ['guests'] }, ['guests']],
    [{}, 'ended'],
  ] as const) {
    const options = { access: ACCESS };
    const first = testClient(idp.issuer, { ...options, fetch: provider(WITHOUT_GROUPS, { groups: ['staff'] }) });
    const login = await logIn(first);
    const client = testClient(idp.issuer, { ...options, fetch: provider(ALICE, userinfo, { id_token: undefined }) });
    const result = await refreshTokens(client, login.refreshToken ?? '', login);
    assert.deepEqual(result.kind === 'renewed' ? result.claims.groups : result.kind, expected);
  }
});

test('a renewal keeps the name and the address that are missing', async () => {
  const { login, result } = await renewal({ groups: ['other'] }, {});
  assert.ok(result.kind === 'renewed');
  assert.deepEqual(result.claims, { ...login.claims, groups: ['other'] });
});

for (const [what, userinfo, options, expected] of [
  ['that the rule needs end the session', {}, { access: ACCESS }, 'ended'],
  ['with claims.keep stay', {}, { access: ACCESS, claims: { groups: 'groups', keep: true } }, ['staff']],
  ['that no rule needs stay', {}, {}, ['staff']],
  ['stay while userinfo does not answer', null, { access: ACCESS }, ['staff']],
  ['that userinfo has are taken from there', { groups: ['guests'] }, { access: ACCESS }, ['guests']],
] satisfies [string, Body | null, TestClientOptions, unknown][]) {
  test(`groups missing at a renewal ${what}`, async () => {
    const { result } = await renewal(WITHOUT_GROUPS, userinfo, options);
    assert.deepEqual(result.kind === 'renewed' ? result.claims.groups : result.kind, expected);
  });
}

test('an address that is no more verified at a renewal stays so when the next says nothing', async () => {
  const login = await logIn(testClient(idp.issuer));
  const client = testClient(idp.issuer, { fetch: provider(ALICE, {}) });
  const result = await refreshTokens(client, login.refreshToken ?? '', {
    ...login,
    claims: { ...login.claims, emailVerified: false },
  });
  assert.ok(result.kind === 'renewed');
  assert.equal(result.claims.emailVerified, false);
});

test('members of a token answer that are null count as absent', async () => {
  const nulls = { refresh_token: null, expires_in: null, scope: null };
  const client = testClient(idp.issuer, { fetch: provider(ALICE, {}, nulls), oidc: { client_secret: SECRET } });
  assert.equal((await logIn(client)).refreshToken, null);
});
