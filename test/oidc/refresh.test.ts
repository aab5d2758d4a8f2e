import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { refreshTokens } from '../../src/oidc/refresh.js';
import type { Idp } from '../kit/idp.js';
import { PATIENCE_MS } from '../kit/until.js';
import { ALICE, logIn, seconds, startTestIdp, type TestClient, tamper, testClient } from './setup.js';

let idp: Idp;
before(async () => {
  idp = await startTestIdp();
});
after(() => idp.close());

test('renewed, with a new refresh token each time; the old one ends it all', async () => {
  const client = testClient(idp.issuer);
  const login = await logIn(client);
  const first = await refreshTokens(client, login.refreshToken ?? '', login);
  assert.ok(first.kind === 'renewed');
  assert.notEqual(first.refreshToken, login.refreshToken);
  assert.deepEqual(first.claims, login.claims);
  assert.ok(first.expiresAt >= login.expiresAt);
  const second = await refreshTokens(client, first.refreshToken ?? '', first);
  assert.equal(second.kind, 'renewed');
  assert.deepEqual(await refreshTokens(client, login.refreshToken ?? '', login), { kind: 'ended' });
});

test('a refresh token that never was', async () => {
  const client = testClient(idp.issuer);
  assert.deepEqual(await refreshTokens(client, 'nonsense', await logIn(client)), { kind: 'ended' });
});

/** A refresh whose answer is changed on the way. */
async function refreshWith(
  change: (body: Record<string, unknown>) => Record<string, unknown> | Promise<Record<string, unknown>>,
) {
  const login = await logIn(testClient(idp.issuer));
  const client = testClient(idp.issuer, { fetch: tamper('/token', change) });
  return { login, result: await refreshTokens(client, login.refreshToken ?? '', login) };
}

const token = (claims: Record<string, unknown> = {}) =>
  idp.sign({ iss: idp.issuer, aud: 'app', sub: 'alice', iat: seconds(), exp: seconds() + 60, ...ALICE, ...claims });

test('without an ID token the former claims stay, for as long as the access token lives', async () => {
  const { login, result } = await refreshWith((body) => ({
    ...body,
    id_token: undefined,
    expires_in: 120,
    refresh_token: undefined,
  }));
  assert.ok(result.kind === 'renewed');
  assert.deepEqual(
    [result.claims, result.idToken, result.jwt, result.refreshToken],
    [login.claims, '', '', login.refreshToken],
  );
  assert.ok(Math.abs(result.expiresAt - Date.now() - 120_000) < PATIENCE_MS);
});

test('new groups take effect, and the former sid stays when the new token has none', async () => {
  const { login, result } = await refreshWith(async (body) => ({
    ...body,
    id_token: await token({ groups: ['guests'] }),
  }));
  assert.ok(result.kind === 'renewed');
  assert.deepEqual([result.claims.groups, result.claims.sid], [['guests'], login.claims.sid]);
});

for (const [name, claims] of [
  ['somebody else', { sub: 'bob' }],
  ['another issuer', { iss: 'https://evil.tld' }],
  ['another client', { aud: 'other' }],
] satisfies [string, Record<string, unknown>][]) {
  test(`a token about ${name} is refused`, async () => {
    const { result } = await refreshWith(async (body) => ({ ...body, id_token: await token(claims) }));
    assert.ok(result.kind === 'refused');
    assert.equal(result.error.code, 'token_invalid');
  });
}

test('what comes with a token that is refused is the refresh token that is good from now on', async () => {
  for (const claims of [{ sub: 'bob' }, { exp: seconds() - 1 }, { exp: seconds() - 90 }, { aud: 'other' }]) {
    const { login, result } = await refreshWith(async (body) => ({ ...body, id_token: await token(claims) }));
    assert.ok(result.kind === 'refused');
    assert.ok(result.refreshToken);
    assert.notEqual(result.refreshToken, login.refreshToken);
  }
});

test('a jump of the system clock is not the tokens’ end', async () => {
  const HOUR = 3_600_000;
  const real = Date.now;
  const login = await logIn(testClient(idp.issuer));
  const answer = { access_token: 'opaque', token_type: 'Bearer', refresh_token: 'r2', id_token: await token() };
  for (const jump of [HOUR, -HOUR]) {
    const client: TestClient = testClient(idp.issuer, {
      fetch: async (input, init) => {
        if (!String(input).endsWith('/token')) return fetch(input, init);
        Date.now = () => real() + jump;
        client.clock.offset = -jump;
        return Response.json(answer);
      },
    });
    const result = await refreshTokens(client, 'r1', login).finally(() => {
      Date.now = real;
    });
    assert.equal(result.kind, 'renewed', `${jump}`);
  }
});

test('keys that cannot be had are a fault, and do not cost the new refresh token', async () => {
  const login = await logIn(testClient(idp.issuer));
  const client = testClient(idp.issuer, {
    fetch: (input, init) =>
      String(input).endsWith('/jwks') ? Promise.reject(new TypeError('fetch failed')) : fetch(input, init),
  });
  const first = await refreshTokens(client, login.refreshToken ?? '', login);
  assert.ok(first.kind === 'fault');
  assert.equal(first.error.code, 'idp_unreachable');
  const again = await refreshTokens(testClient(idp.issuer), first.refreshToken ?? '', login);
  assert.equal(again.kind, 'renewed');
});

test('a refusal that is about the grant is one; what is about the client or the provider is a fault', async () => {
  const login = await logIn(testClient(idp.issuer));
  for (const [status, error, kind] of [
    [400, 'interaction_required', 'refused'],
    [400, 'invalid_scope', 'refused'],
    [400, 'of_its_own', 'refused'],
    [403, 'access_denied', 'refused'],
    [401, 'login_required', 'refused'],
    [503, 'access_denied', 'fault'],
    [403, 'invalid_client', 'fault'],
    [401, 'unauthorized_client', 'fault'],
    [400, 'temporarily_unavailable', 'fault'],
    [404, 'not_found', 'fault'],
  ] as const) {
    const client = testClient(idp.issuer, {
      fetch: async (input, init) =>
        String(input).endsWith('/token') ? Response.json({ error }, { status }) : fetch(input, init),
    });
    assert.equal((await refreshTokens(client, 'r', login)).kind, kind, `${status} ${error}`);
  }
});

test('a provider that is down is a fault, not an end', async () => {
  const login = await logIn(testClient(idp.issuer));
  for (const broken of [
    () => Promise.reject(new TypeError('fetch failed')),
    async () => Response.json({ error: 'invalid_grant' }, { status: 503 }),
  ]) {
    const client = testClient(idp.issuer, {
      fetch: (input, init) => (String(input).endsWith('/token') ? broken() : fetch(input, init)),
    });
    const result = await refreshTokens(client, 'r', login);
    assert.ok(result.kind === 'fault');
    assert.equal(result.error.code, 'idp_unreachable');
  }
});

test('a wrong client secret is a fault: the grant may be well', async () => {
  const login = await logIn(testClient(idp.issuer));
  const client = testClient(idp.issuer, { oidc: { client_secret: 'wrong' } });
  const result = await refreshTokens(client, login.refreshToken ?? '', login);
  assert.ok(result.kind === 'fault');
  assert.equal(result.error.code, 'idp_rejected');
  assert.match(result.error.message, /invalid_client \(.*oidc\.client_secret and oidc\.token_endpoint_auth_method/);
});
