// Our own verification, without openid-client in front of it: every check is named exactly.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import { checkJwt, type JwtCheck, verifyJwt } from '../../src/oidc/verify-jwt.js';
import type { Idp } from '../kit/idp.js';
import { failsWith, goodClaims, SECRET, seconds, startTestIdp, tamper, testClient } from './setup.js';

const utf8 = new TextEncoder();
let idp: Idp;
before(async () => {
  idp = await startTestIdp();
});
after(() => idp.close());

const claims = (changed: Record<string, unknown> = {}) => goodClaims(idp.issuer, { nonce: 'n', ...changed });

const refused: [string, JwtCheck, () => string | Promise<string>][] = [
  ['empty', 'format', () => ''],
  ['five parts', 'encrypted', () => 'a.b.c.d.e'],
  ['longer than 64 KiB', 'format', () => `${'a'.repeat(70_000)}.b.c`],
  ['alg none', 'alg', () => new UnsecuredJWT(claims()).encode()],
  ['alg in other letters', 'alg', async () => swapHeader(await idp.sign(claims()), { alg: 'nOnE' })],
  [
    'HMAC with the client secret',
    'alg',
    () => new SignJWT(claims()).setProtectedHeader({ alg: 'HS256' }).sign(utf8.encode(SECRET)),
  ],
  [
    'HMAC with the public key',
    'alg',
    async () => {
      const key = await importJWK(idp.publicJwk, 'RS256', { extractable: true });
      const pem = await exportSPKI(key as Parameters<typeof exportSPKI>[0]);
      return new SignJWT(claims()).setProtectedHeader({ alg: 'HS256' }).sign(utf8.encode(pem));
    },
  ],
  [
    'a key of its own in the header',
    'signature',
    async () => {
      const pair = await generateKeyPair('RS256');
      const header = { alg: 'RS256', kid: idp.publicJwk.kid ?? '', jwk: await exportJWK(pair.publicKey) };
      return new SignJWT(claims()).setProtectedHeader(header).sign(pair.privateKey);
    },
  ],
  ['no signature', 'signature', async () => (await idp.sign(claims())).replace(/[^.]*$/, '')],
  ['an unknown kid', 'key', () => idp.sign(claims(), { kid: 'unknown' })],
  ['issuer with a slash more', 'iss', () => idp.sign(claims({ iss: `${idp.issuer}/` }))],
  ['no issuer', 'iss', () => idp.sign(claims({ iss: undefined }))],
  ['another audience', 'aud', () => idp.sign(claims({ aud: ['other'] }))],
  ['no audience', 'aud', () => idp.sign(claims({ aud: undefined }))],
  ['several audiences, no azp', 'azp', () => idp.sign(claims({ aud: ['app', 'other'] }))],
  ['several audiences, another azp', 'azp', () => idp.sign(claims({ aud: ['app', 'other'], azp: 'other' }))],
  ['no subject', 'sub', () => idp.sign(claims({ sub: undefined }))],
  ['an empty subject', 'sub', () => idp.sign(claims({ sub: '' }))],
  ['an overlong subject', 'sub', () => idp.sign(claims({ sub: 'a'.repeat(256) }))],
  ['expired', 'exp', () => idp.sign(claims({ exp: seconds() - 61 }))],
  ['no expiry', 'exp', () => idp.sign(claims({ exp: undefined }))],
  ['expiry as text', 'exp', () => signRaw({ exp: '2999' })],
  ['not yet valid', 'nbf', () => idp.sign(claims({ nbf: seconds() + 90 }))],
  ['issued in the future', 'iat', () => idp.sign(claims({ iat: seconds() + 90 }))],
  ['another nonce', 'nonce', () => idp.sign(claims({ nonce: 'm' }))],
  ['no nonce', 'nonce', () => idp.sign(claims({ nonce: undefined }))],
];

for (const [name, check, forge] of refused) {
  test(`refused: ${name}`, async () => {
    const client = testClient(idp.issuer);
    assert.deepEqual(await checkJwt(client, await forge(), { nonce: 'n' }), { failed: check });
    await assert.rejects(
      verifyJwt(client, await forge(), { nonce: 'n' }),
      failsWith('token_invalid', check === 'encrypted' ? /encrypted \(JWE\)/ : new RegExp(`: ${check}$`)),
    );
  });
}

/** jose's own `sign` refuses such claims. */
function signRaw(changed: Record<string, unknown>): Promise<string> {
  return idp.sign(claims(changed));
}

function swapHeader(token: string, header: Record<string, unknown>): string {
  return token.replace(/^[^.]*/, Buffer.from(JSON.stringify(header)).toString('base64url'));
}

test("accepted, and the nonce is nobody's business unless it is expected", async () => {
  const client = testClient(idp.issuer);
  assert.equal((await verifyJwt(client, await idp.sign(claims()), { nonce: 'n' })).sub, 'alice');
  await verifyJwt(client, await idp.sign(claims({ nonce: undefined })));
  await verifyJwt(client, await idp.sign(claims({ aud: ['app'] })));
  await verifyJwt(client, await idp.sign(claims({ aud: ['x', 'app'], azp: 'app' })));
});

test('a token without a kid, several keys that fit: each is tried', async () => {
  const decoy = {
    ...(await exportJWK((await generateKeyPair('RS256', { extractable: true })).publicKey)),
    use: 'sig',
    kid: 'decoy',
  };
  const fetch = tamper('/jwks', (body) => ({ keys: [decoy, ...(body['keys'] as object[])] }));
  await verifyJwt(testClient(idp.issuer, { fetch }), await idp.sign(claims(), { kid: undefined }));
  const none = tamper('/jwks', () => ({ keys: [decoy, { ...decoy, kid: 'decoy 2' }] }));
  const result = await checkJwt(testClient(idp.issuer, { fetch: none }), await idp.sign(claims(), { kid: undefined }));
  assert.deepEqual(result, { failed: 'signature' });
});

test("the keys cannot be read: the provider's fault, not the token's", async () => {
  for (const answer of [
    () => new Response('x', { status: 503 }),
    () => Response.json({}),
    () => Promise.reject(new TypeError('fetch failed')),
  ]) {
    const client = testClient(idp.issuer, {
      fetch: async (input, init) => (String(input).endsWith('/jwks') ? answer() : fetch(input, init)),
    });
    await assert.rejects(
      verifyJwt(client, await idp.sign(claims())),
      failsWith('idp_unreachable', /key set|no answer/),
    );
  }
});

describe('Ed25519 under both of its names', () => {
  let ed: Idp;
  before(async () => {
    ed = await startTestIdp({ alg: 'EdDSA' });
  });
  after(() => ed.close());

  for (const setting of ['EdDSA', 'Ed25519'] as const) {
    for (const alg of ['EdDSA', 'Ed25519']) {
      for (const inKeys of ['EdDSA', 'Ed25519', undefined]) {
        test(`${setting} configured, ${alg} in the token, ${inKeys ?? 'nothing'} in the key set`, async () => {
          const fetch = tamper('/jwks', (body) => ({
            keys: (body['keys'] as object[]).map((key) => ({ ...key, alg: inKeys })),
          }));
          const client = testClient(ed.issuer, { fetch, oidc: { id_token_signed_response_alg: setting } });
          await verifyJwt(client, await ed.sign({ ...claims(), iss: ed.issuer }, { alg }));
        });
      }
    }
  }
});
