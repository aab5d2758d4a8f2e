// What an identity provider demands is named in the log in the words of its own pages, and what it says is never repeated there.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CompactEncrypt, generateKeyPair } from 'jose';
import { AkproxError } from '../../src/infra/errors.js';
import { refreshTokens } from '../../src/oidc/refresh.js';
import { verifyJwt } from '../../src/oidc/verify-jwt.js';
import type { Idp } from '../kit/idp.js';
import { failsWith, goodClaims, logIn, startTestIdp, tamper, testClient } from './setup.js';

let idp: Idp;
before(async () => {
  idp = await startTestIdp();
});
after(() => idp.close());

/** A client whose token endpoint answers with this. */
const refusing = (answer: () => Response) =>
  testClient(idp.issuer, {
    fetch: async (input, init) => (String(input).endsWith('/token') ? answer() : fetch(input, init)),
  });

const oauthError = (error: string, error_description?: string) => (): Response =>
  Response.json({ error, error_description }, { status: 400 });

// [what, the answer, what the log says]
const DEMANDS: readonly (readonly [string, () => Response, RegExp])[] = [
  ['a wrong secret', oauthError('invalid_client'), /oidc\.client_secret and oidc\.token_endpoint_auth_method/],
  [
    "a wrong secret, in Keycloak's words",
    oauthError('unauthorized_client', 'Invalid client or Invalid client credentials'),
    /oidc\.client_secret and oidc\.token_endpoint_auth_method/,
  ],
  ['a client that must use client-jwt', oauthError('invalid_client'), /client-jwt.*oidc\.private_key.*private_key_jwt/],
  ['DPoP', oauthError('invalid_dpop_proof'), /demands DPoP/],
  ['DPoP, with a nonce', oauthError('use_dpop_nonce'), /demands DPoP/],
  ['DPoP, by description', oauthError('invalid_request', 'DPoP proof is missing'), /demands DPoP/],
  [
    'DPoP, as a challenge',
    () => new Response('', { status: 401, headers: { 'WWW-Authenticate': 'DPoP algs="ES256"' } }),
    /demands DPoP/,
  ],
  ['a request object', oauthError('invalid_request_object'), /demands a request object/],
  ['a request object, by description', oauthError('invalid_request', 'Request Object must be used'), /request object/],
  [
    'a pushed request',
    oauthError('invalid_request', 'Pushed Authorization Request is only allowed.'),
    /\(PAR\): set oidc\.par/,
  ],
];
for (const [what, answer, expected] of DEMANDS) {
  test(`an identity provider that demands ${what}`, async () => {
    await assert.rejects(logIn(refusing(answer)), failsWith('idp_rejected', expected));
  });
}

test('an error that says nothing of what is demanded has no advice, described or not', async () => {
  for (const description of [undefined, '', 'Code not valid']) {
    const said = failsWith('idp_rejected', /refused: invalid_grant$/);
    await assert.rejects(logIn(refusing(oauthError('invalid_grant', description))), said);
  }
});

test('what it says goes into an event of its own, printable and short, at every endpoint, and into no error', async () => {
  const said = `alice@company.tld \u001b[31m\n${'x'.repeat(1_000)}`;
  const client = refusing(oauthError('invalid_scope', said));
  await assert.rejects(logIn(client), (error: unknown) => {
    assert.ok(error instanceof AkproxError && !error.message.includes('alice'));
    return true;
  });
  const renewed = await refreshTokens(client, 'r', {} as never);
  assert.ok('error' in renewed && !renewed.error.message.includes('alice'));
  const described = client.events.filter(({ event }) => event === 'error_described');
  assert.equal(described.length, 2);
  for (const { endpoint, description = '' } of described) {
    assert.equal(endpoint, 'the token endpoint');
    assert.match(description, /^alice@company\.tld {2}\[31m x+$/);
    assert.ok(description.length <= 200);
  }
});

test('an encrypted ID token, and any other token that is', async () => {
  const { publicKey } = await generateKeyPair('RSA-OAEP-256');
  const encrypt = (jwt: string): Promise<string> =>
    new CompactEncrypt(new TextEncoder().encode(jwt))
      .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256GCM', cty: 'JWT' })
      .encrypt(publicKey);
  const client = testClient(idp.issuer, {
    fetch: tamper('/token', async (body) => ({ ...body, id_token: await encrypt(String(body['id_token'])) })),
  });
  const named = failsWith('token_invalid', /encrypted \(JWE\)/);
  await assert.rejects(logIn(client), named);
  await assert.rejects(verifyJwt(client, await encrypt(await idp.sign(goodClaims(idp.issuer)))), named);
});

test('a discovery document that demands request objects is named once, and logins are tried all the same', async () => {
  const client = testClient(idp.issuer, {
    fetch: tamper('/openid-configuration', (body) => ({ ...body, require_signed_request_object: true })),
  });
  await logIn(client);
  await logIn(client);
  assert.equal(client.events.filter(({ event }) => event === 'request_object_required').length, 1);
  const other = testClient(idp.issuer);
  await logIn(other);
  assert.ok(!other.events.some(({ event }) => event === 'request_object_required'));
});
