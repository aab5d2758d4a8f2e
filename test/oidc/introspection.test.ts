import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clientCredentials, introspect, type TokenRefusal } from '../../src/oidc/introspection.js';
import type { Idp } from '../kit/idp.js';
import { PATIENCE_MS } from '../kit/until.js';
import { ALICE, failsWith, logIn, seconds, startTestIdp, tamper, testClient } from './setup.js';

let idp: Idp;
before(async () => {
  idp = await startTestIdp();
});
after(() => idp.close());

const refusedFor = (reason: TokenRefusal) => ({ active: false, reason });

test('our own token', async () => {
  const client = testClient(idp.issuer);
  const { accessToken } = await logIn(client);
  const result = await introspect(client, accessToken);
  assert.ok(result.active);
  assert.deepEqual([result.claims.sub, result.claims.email, result.claims.groups], ['alice', ALICE.email, ['staff']]);
  assert.ok(Math.abs((result.expiresAt ?? 0) - Date.now() - 600_000) < PATIENCE_MS);
});

test('a token that another client got is active, but not for us', async () => {
  const other = testClient(idp.issuer, { oidc: { client_id: 'other' } });
  const { accessToken } = await logIn(other);
  assert.equal((await introspect(other, accessToken)).active, true);
  assert.deepEqual(await introspect(testClient(idp.issuer), accessToken), refusedFor('audience'));
});

test('nonsense', async () => {
  const client = testClient(idp.issuer);
  for (const token of ['', 'nonsense']) assert.deepEqual(await introspect(client, token), refusedFor('inactive'));
  assert.deepEqual(await introspect(client, 'a'.repeat(20_000)), refusedFor('too_long'));
});

for (const [name, changed, reason] of [
  ['no audience', { aud: undefined }, 'audience'],
  ['an audience that only contains our name', { aud: 'app2' }, 'audience'],
  ['another issuer', { iss: 'https://evil.tld' }, 'issuer'],
  ['expired', { exp: 1 }, 'expired'],
  ['not yet valid', { nbf: 9_999_999_999 }, 'not_yet_valid'],
  ['nobody', { sub: undefined }, 'subject'],
  ["Keycloak's ID token", { token_type: 'ID' }, 'token_type'],
  ["Keycloak's refresh token", { token_type: 'Refresh' }, 'token_type'],
  ['a token of no type that opens anything', { token_type: 'N_A' }, 'token_type'],
  ["hydra's refresh token", { token_type: 'Bearer', token_use: 'refresh_token' }, 'token_type'],
] satisfies [string, Record<string, unknown>, TokenRefusal][]) {
  test(`an active answer that does not count: ${name}`, async () => {
    const client = testClient(idp.issuer, { fetch: tamper('/introspection', (body) => ({ ...body, ...changed })) });
    const { accessToken } = await logIn(client);
    assert.deepEqual(await introspect(client, accessToken), refusedFor(reason));
  });
}

for (const type of [undefined, null, 'Bearer', 'bearer', 'BEARER', 'DPoP', 'dpop']) {
  test(`a token of type ${String(type)} counts`, async () => {
    const client = testClient(idp.issuer, {
      fetch: tamper('/introspection', (body) => ({ ...body, token_type: type, token_use: 'access_token' })),
    });
    assert.equal((await introspect(client, (await logIn(client)).accessToken)).active, true);
  });
}

test('audiences that are configured count beside the client id, exactly as they are spelled', async () => {
  for (const [aud, audiences, active] of [
    ['account', ['account'], true],
    [['a', 'account'], ['other', 'account'], true],
    ['app', ['account'], true],
    ['account', [], false],
    ['Account', ['account'], false],
    ['accounts', ['account'], false],
    [[], ['account'], false],
  ] as const) {
    const client = testClient(idp.issuer, { fetch: tamper('/introspection', (body) => ({ ...body, aud })) });
    const result = await introspect(client, (await logIn(client)).accessToken, audiences);
    assert.equal(result.active, active, `${String(aud)} of ${String(audiences)}`);
  }
});

test('an audience list, no issuer and no expiry', async () => {
  const changed = { aud: ['other', 'app'], iss: undefined, exp: undefined };
  const client = testClient(idp.issuer, { fetch: tamper('/introspection', (body) => ({ ...body, ...changed })) });
  const result = await introspect(client, (await logIn(client)).accessToken);
  assert.ok(result.active);
  assert.equal(result.expiresAt, null);
});

test('no endpoint, and one that is down', async () => {
  const without = testClient(idp.issuer, {
    fetch: tamper('/openid-configuration', (body) => ({ ...body, introspection_endpoint: undefined })),
  });
  assert.deepEqual(await introspect(without, 'token'), refusedFor('no_introspection'));
  assert.ok(without.events.some(({ event }) => event === 'introspection_unsupported'));
  const down = testClient(idp.issuer, {
    fetch: (input, init) =>
      String(input).endsWith('/introspection')
        ? Promise.resolve(new Response('', { status: 502 }))
        : fetch(input, init),
  });
  await assert.rejects(introspect(down, 'token'), failsWith('idp_unreachable', /introspection endpoint/));
});

test('user and password, as authentik takes them: no client secret is sent', async () => {
  const bodies: URLSearchParams[] = [];
  const client = testClient(idp.issuer, {
    fetch: (input, init) => {
      if (String(input).endsWith('/token')) bodies.push(new URLSearchParams(String(init?.body)));
      return fetch(input, init);
    },
  });
  const login = await clientCredentials(client, 'alice', 'app password');
  assert.deepEqual([login?.claims.sub, login?.claims.groups, login?.refreshToken], ['alice', ['staff'], null]);
  assert.ok(login && login.jwt === login.idToken && login.expiresAt > Date.now());
  assert.deepEqual(Object.fromEntries(bodies[0] ?? []), {
    grant_type: 'client_credentials',
    client_id: 'app',
    username: 'alice',
    password: 'app password',
    scope: 'openid profile email',
  });
  assert.equal(await clientCredentials(client, 'alice', 'wrong'), null);
  assert.equal(await clientCredentials(client, 'nobody', 'x'), null);
});

test('without an ID token the access token is verified', async () => {
  const without = testClient(idp.issuer, { fetch: tamper('/token', (body) => ({ ...body, id_token: undefined })) });
  const login = await clientCredentials(without, 'alice', 'x');
  assert.deepEqual([login?.claims.email, login?.idToken, login?.jwt], [ALICE.email, '', login?.accessToken]);
  const foreign = await idp.sign({ iss: idp.issuer, aud: 'other', sub: 'alice', iat: seconds(), exp: seconds() + 60 });
  for (const token of [foreign, 'opaque']) {
    const client = testClient(idp.issuer, {
      fetch: tamper('/token', (body) => ({ ...body, id_token: undefined, access_token: token })),
    });
    await assert.rejects(clientCredentials(client, 'alice', 'x'), failsWith('token_invalid', /aud|format/));
  }
});
