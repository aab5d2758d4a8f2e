// private_key_jwt: every form and kind of key at an identity provider that knows the public half only.
import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { readClientKey } from '../../src/application/client-key.js';
import { introspect } from '../../src/oidc/introspection.js';
import { refreshTokens } from '../../src/oidc/refresh.js';
import { failsWith, logIn, REDIRECT_URI, startTestIdp, tamper, testClient } from './setup.js';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve });
const p256 = ec('P-256');
const ed25519 = generateKeyPairSync('ed25519');

const pem = (key: KeyObject, type: 'pkcs8' | 'pkcs1' | 'sec1' = 'pkcs8'): string =>
  String(key.export({ format: 'pem', type: type as 'pkcs8' }));
const jwk = (key: KeyObject, more: object = {}): string =>
  JSON.stringify({ ...key.export({ format: 'jwk' }), ...more });

// [what, the setting, the public half, what it signs with, the kid]
const KEYS = [
  ['RSA, PKCS #8', pem(rsa.privateKey), rsa.publicKey, 'RS256', undefined],
  ['RSA, PKCS #1', pem(rsa.privateKey, 'pkcs1'), rsa.publicKey, 'RS256', undefined],
  ['RSA, a JWK that says PS256', jwk(rsa.privateKey, { alg: 'PS256', kid: 'k1' }), rsa.publicKey, 'PS256', 'k1'],
  ['P-256, SEC 1', pem(p256.privateKey, 'sec1'), p256.publicKey, 'ES256', undefined],
  ['P-256, a JWK', jwk(p256.privateKey, { kid: 'k2' }), p256.publicKey, 'ES256', 'k2'],
  ['Ed25519, PKCS #8', pem(ed25519.privateKey), ed25519.publicKey, 'EdDSA', undefined],
  ['Ed25519, a JWK', `\n ${jwk(ed25519.privateKey, { kid: 'k3', use: 'sig' })}`, ed25519.publicKey, 'EdDSA', 'k3'],
] as const;

for (const [what, key, publicKey, alg, kid] of KEYS) {
  test(`${what}: login, renewal and introspection, and no secret`, async (t) => {
    const idp = await startTestIdp({
      authMethods: ['private_key_jwt'],
      clients: [
        {
          client_id: 'app',
          redirect_uris: [REDIRECT_URI],
          jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), ...(kid && { kid }) }] as never },
        },
      ],
    });
    t.after(() => idp.close());
    const forms: URLSearchParams[] = [];
    const client = testClient(idp.issuer, {
      oidc: { client_secret: undefined, private_key: key, token_endpoint_auth_method: 'private_key_jwt' },
      fetch: (input, init) => {
        if (init?.method === 'POST') {
          assert.equal(new Headers(init.headers).get('authorization'), null);
          forms.push(new URLSearchParams(String(init.body)));
        }
        return fetch(input, init);
      },
    });
    const login = await logIn(client);
    assert.equal((await refreshTokens(client, login.refreshToken ?? '', login)).kind, 'renewed');
    assert.equal((await introspect(client, login.accessToken)).active, true);
    assert.equal(forms.length, 3);
    const assertions = forms.map((form) => form.get('client_assertion') ?? '');
    for (const assertion of assertions) {
      assert.deepEqual(decodeProtectedHeader(assertion), { alg, ...(kid !== undefined && { kid }) });
      const { iss, sub, aud } = decodeJwt(assertion);
      assert.deepEqual([iss, sub, aud], ['app', 'app', idp.issuer]);
    }
    assert.equal(new Set(assertions.map((assertion) => decodeJwt(assertion).jti)).size, 3);
    assert.ok(forms.every((form) => !form.has('client_secret')));
  });
}

test('an RSA key signs with what discovery names', async (t) => {
  const idp = await startTestIdp({
    authMethods: ['private_key_jwt'],
    clients: [
      {
        client_id: 'app',
        redirect_uris: [REDIRECT_URI],
        token_endpoint_auth_signing_alg: 'PS256',
        jwks: { keys: [rsa.publicKey.export({ format: 'jwk' })] as never },
      },
    ],
  });
  t.after(() => idp.close());
  const oidc = { private_key: pem(rsa.privateKey), token_endpoint_auth_method: 'private_key_jwt' } as const;
  const names = tamper('/openid-configuration', (body) => ({
    ...body,
    token_endpoint_auth_signing_alg_values_supported: ['PS256', 'ES256'],
  }));
  await logIn(testClient(idp.issuer, { oidc, fetch: names }));
  await assert.rejects(
    logIn(testClient(idp.issuer, { oidc: { ...oidc, private_key: pem(ed25519.privateKey) } })),
    failsWith('idp_rejected', /invalid_client .*oidc\.private_key/),
  );
});

test('a key that cannot be used, by what is said of it', () => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1_024 });
  const locked = String(
    p256.privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'hunter2' }),
  );
  const none = /^is no private key: expected PEM without a password, or a JWK with its private half$/;
  for (const [what, text, expected] of [
    ['nothing', '', none],
    ['no key', 'hunter2', none],
    ['a public key', String(rsa.publicKey.export({ format: 'pem', type: 'spki' })), none],
    ['a JWK without its private half', jwk(p256.publicKey), none],
    ['broken JSON', '{"kty":', none],
    ['a key with a password', locked, none],
    ['a short RSA key', pem(small.privateKey), /less than 2048 bits/],
    ['secp256k1', pem(ec('secp256k1').privateKey), /^expected an RSA, P-256/],
    ['X25519', pem(generateKeyPairSync('x25519').privateKey), /^expected an RSA, P-256/],
    ['RSA-PSS', pem(generateKeyPairSync('rsa-pss', { modulusLength: 2_048 }).privateKey), /^expected an RSA, P-256/],
    ['an alg that does not fit', jwk(p256.privateKey, { alg: 'RS256' }), /alg that does not go with it: ES256 do/],
  ] as const) {
    const result = readClientKey(text);
    if (typeof result !== 'string') return assert.fail(what);
    assert.match(result, expected, what);
  }
});
