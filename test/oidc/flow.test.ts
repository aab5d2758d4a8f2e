import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { exportSPKI, importJWK, SignJWT, UnsecuredJWT } from 'jose';
import { beginLogin, callbackOutcome, endSessionUrl, finishLogin } from '../../src/oidc/flow.js';
import { createBrowser } from '../kit/browser.js';
import type { Idp, IdpAlg } from '../kit/idp.js';
import { PATIENCE_MS } from '../kit/until.js';
import {
  ALICE,
  authorize,
  failsWith,
  goodClaims,
  logIn,
  REDIRECT_URI,
  seconds,
  startTestIdp,
  tamper,
  testClient,
} from './setup.js';

for (const alg of ['RS256', 'ES256', 'EdDSA', 'HS256'] satisfies IdpAlg[]) {
  test(`a login with ${alg}, which discovery names`, async (t) => {
    const idp = await startTestIdp({ alg });
    t.after(() => idp.close());
    const login = await logIn(testClient(idp.issuer));
    const { sid, ...claims } = login.claims;
    assert.notEqual(sid, '');
    assert.deepEqual(claims, {
      sub: 'alice',
      email: ALICE.email,
      emailVerified: null,
      name: 'Alice',
      preferredUsername: 'alice',
      groups: ['staff'],
      entitlements: [],
      userAttributes: {},
    });
    assert.ok(login.refreshToken);
    assert.ok(Math.abs(login.expiresAt - Date.now() - 600_000) < PATIENCE_MS);
    assert.equal(login.jwt, login.idToken);
  });
}

describe('with a provider that signs with RS256', () => {
  let idp: Idp;
  before(async () => {
    idp = await startTestIdp();
  });
  after(() => idp.close());

  const tokenOf = (claims: Record<string, unknown> = {}) => goodClaims(idp.issuer, claims);

  /** Finishes a login whose ID token was exchanged for another one. */
  async function finishWith(forge: (nonce: string) => string | Promise<string>, oidc = {}) {
    let nonce = '';
    const swap = tamper('/token', async (body) => ({ ...body, id_token: await forge(nonce) }));
    const client = testClient(idp.issuer, { fetch: swap, oidc });
    const login = await beginLogin(client, randomBytes);
    nonce = login.nonce;
    return finishLogin(client, await authorize(login), login);
  }

  test('the authorization request', async () => {
    const login = await beginLogin(testClient(idp.issuer), randomBytes);
    const url = new URL(login.url);
    assert.equal(url.origin + url.pathname, `${idp.issuer}/auth`);
    assert.equal(Buffer.from(login.state, 'base64url').length, 32);
    assert.equal(Buffer.from(login.nonce, 'base64url').length, 32);
    assert.deepEqual(Object.fromEntries(url.searchParams), {
      client_id: 'app',
      response_type: 'code',
      redirect_uri: REDIRECT_URI,
      scope: 'openid profile email',
      state: login.state,
      nonce: login.nonce,
      code_challenge: createHash('sha256').update(login.codeVerifier).digest('base64url'),
      code_challenge_method: 'S256',
    });
  });

  test('a token that only we exchanged passes: the forgeries below fail for their own reason', async () => {
    const login = await finishWith((nonce) => idp.sign(tokenOf({ nonce, email: 'x@company.tld' })));
    assert.equal(login.claims.email, 'x@company.tld');
  });

  const forgeries: Record<string, [RegExp, (nonce: string) => string | Promise<string>]> = {
    'another nonce': [/nonce/, () => idp.sign(tokenOf({ nonce: 'another' }))],
    'no nonce': [/nonce/, () => idp.sign(tokenOf())],
    'another issuer': [/iss/, (nonce) => idp.sign(tokenOf({ nonce, iss: `${idp.issuer}/` }))],
    'another audience': [/aud/, (nonce) => idp.sign(tokenOf({ nonce, aud: 'other' }))],
    'two audiences and no azp': [/aud|azp/, (nonce) => idp.sign(tokenOf({ nonce, aud: ['app', 'other'] }))],
    'two audiences, made for the other': [
      /azp/,
      (nonce) => idp.sign(tokenOf({ nonce, aud: ['app', 'other'], azp: 'other' })),
    ],
    expired: [/exp/, (nonce) => idp.sign(tokenOf({ nonce, exp: seconds() - 90 }))],
    'not yet valid': [/nbf/, (nonce) => idp.sign(tokenOf({ nonce, nbf: seconds() + 90 }))],
    'issued in the future': [/iat/, (nonce) => idp.sign(tokenOf({ nonce, iat: seconds() + 90 }))],
    'no expiry': [/exp/, (nonce) => idp.sign(tokenOf({ nonce, exp: undefined }))],
    'no subject': [/sub/, (nonce) => idp.sign(tokenOf({ nonce, sub: '' }))],
    'alg none': [/alg|format|JWT/, (nonce) => new UnsecuredJWT(tokenOf({ nonce })).encode()],
    'not a JWT': [/format/, () => 'abc.def'],
    'a changed payload': [
      /signature/,
      async (nonce) => {
        const [head, , signature] = (await idp.sign(tokenOf({ nonce }))).split('.');
        return [
          head,
          Buffer.from(JSON.stringify(tokenOf({ nonce, sub: 'bob' }))).toString('base64url'),
          signature,
        ].join('.');
      },
    ],
    'HS256 with the RSA public key as its secret': [
      /alg/,
      async (nonce) => {
        const key = await importJWK(idp.publicJwk, 'RS256', { extractable: true });
        const pem = await exportSPKI(key as Parameters<typeof exportSPKI>[0]);
        return new SignJWT(tokenOf({ nonce })).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(pem));
      },
    ],
    'a key that the provider does not have': [/key/, (nonce) => idp.sign(tokenOf({ nonce }), { kid: 'unknown' })],
  };
  for (const [name, [message, forge]] of Object.entries(forgeries)) {
    test(`an ID token is refused: ${name}`, async () => {
      await assert.rejects(finishWith(forge), failsWith('token_invalid', message));
    });
  }

  test('two audiences and made for us', async () => {
    await finishWith((nonce) => idp.sign(tokenOf({ nonce, aud: ['other', 'app'], azp: 'app' })));
  });

  test('a clock may be a minute off', async () => {
    await finishWith((nonce) =>
      idp.sign(tokenOf({ nonce, exp: seconds() - 30, iat: seconds() + 30, nbf: seconds() + 30 })),
    );
  });

  test('our clock counts, not only the system clock', async () => {
    const client = testClient(idp.issuer);
    const login = await beginLogin(client, randomBytes);
    const callback = await authorize(login);
    client.clock.offset = 3_600_000;
    await assert.rejects(finishLogin(client, callback, login), failsWith('token_invalid', /exp/));
  });

  test('the configured algorithm wins over what discovery names', async () => {
    const client = testClient(idp.issuer, { oidc: { id_token_signed_response_alg: 'ES256' } });
    await assert.rejects(logIn(client), failsWith('token_invalid', /alg/));
  });

  test('the access token is passed on when it is a JWT for us', async () => {
    const jwt = await idp.sign(tokenOf({ uid: 'x' }));
    const client = testClient(idp.issuer, { fetch: tamper('/token', (body) => ({ ...body, access_token: jwt })) });
    const login = await logIn(client);
    assert.equal(login.jwt, jwt);
    const foreign = await idp.sign(tokenOf({ aud: 'account' }));
    const other = testClient(idp.issuer, { fetch: tamper('/token', (body) => ({ ...body, access_token: foreign })) });
    const second = await logIn(other);
    assert.equal(second.jwt, second.idToken);
  });

  test('a code that was used, and a verifier of another login', async () => {
    const client = testClient(idp.issuer);
    const login = await beginLogin(client, randomBytes);
    const callback = await authorize(login);
    const wrong = { ...login, codeVerifier: 'x'.repeat(43) };
    await assert.rejects(
      finishLogin(client, callback, wrong),
      failsWith('idp_rejected', /^the token endpoint refused: invalid_grant$/),
    );
    await finishLogin(client, callback, login);
    await assert.rejects(finishLogin(client, callback, login), failsWith('idp_rejected', /invalid_grant/));
  });

  test('a wrong client secret', async () => {
    const client = testClient(idp.issuer, { oidc: { client_secret: 'wrong' } });
    await assert.rejects(logIn(client), failsWith('idp_rejected', /invalid_client/));
  });

  test('an OAuth error that is not registered, and its description, are not repeated', async () => {
    const answer = { error: 'alice@company.tld', error_description: 'alice@company.tld' };
    const client = testClient(idp.issuer, {
      fetch: async (input, init) =>
        String(input).endsWith('/token') ? Response.json(answer, { status: 400 }) : fetch(input, init),
    });
    await assert.rejects(logIn(client), failsWith('idp_rejected', /^the token endpoint refused: other$/));
  });

  for (const [name, broken] of [
    ['does not answer', () => Promise.reject(new TypeError('fetch failed'))],
    ['answers 503', () => Promise.resolve(new Response('busy', { status: 503 }))],
    [
      'answers 500 with an OAuth error',
      () => Promise.resolve(Response.json({ error: 'server_error' }, { status: 500 })),
    ],
  ] satisfies [string, () => Promise<Response>][]) {
    test(`a token endpoint that ${name}`, async () => {
      const client = testClient(idp.issuer, {
        fetch: (input, init) => (String(input).endsWith('/token') ? broken() : fetch(input, init)),
      });
      await assert.rejects(logIn(client), failsWith('idp_unreachable', /token|provider/));
    });
  }

  test('an answer without end is cut off', async () => {
    const client = testClient(idp.issuer, {
      fetch: async (input, init) => {
        if (!String(input).endsWith('/token')) return fetch(input, init);
        const endless = new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(65_536)) });
        return new Response(endless, { headers: { 'Content-Type': 'application/json' } });
      },
    });
    await assert.rejects(logIn(client), failsWith('idp_rejected', /1 MiB/));
  });

  test('the issuer of the callback (RFC 9207)', async () => {
    const client = testClient(idp.issuer);
    const login = await beginLogin(client, randomBytes);
    const { code } = await authorize(login);
    await assert.rejects(
      finishLogin(client, { code, iss: 'https://evil.tld' }, login),
      failsWith('token_invalid', /iss/),
    );
    await assert.rejects(finishLogin(client, { code }, login), failsWith('token_invalid', /iss/));
  });

  test('signing out at the provider, without a question', async () => {
    const client = testClient(idp.issuer);
    const login = await logIn(client);
    const url = await endSessionUrl(client, {
      idToken: login.idToken,
      postLogoutRedirectUri: 'http://app.localhost/',
      state: 's',
    });
    assert.ok(url);
    const browser = createBrowser();
    const end = await browser.follow(await browser.get(url), (to) => to.startsWith('http://app.localhost/'));
    assert.equal(end.location, 'http://app.localhost/?state=s');
    const unhinted = await endSessionUrl(client, {
      idToken: null,
      postLogoutRedirectUri: 'http://app.localhost/',
      state: 's',
    });
    assert.equal(new URL(unhinted ?? '').searchParams.get('id_token_hint'), null);
    for (const [length, sent] of [
      [2_048, true],
      [2_049, false],
      [40_000, false],
    ] as const) {
      const idToken = 'x'.repeat(length);
      const long = await endSessionUrl(client, { idToken, postLogoutRedirectUri: 'http://app.localhost/', state: 's' });
      const params = new URL(long ?? '').searchParams;
      assert.equal(params.get('id_token_hint'), sent ? idToken : null);
      assert.equal(params.get('client_id'), 'app');
    }
  });

  test('no end-session endpoint', async () => {
    const fetch = tamper('/openid-configuration', (body) => ({ ...body, end_session_endpoint: undefined }));
    const client = testClient(idp.issuer, { fetch });
    assert.equal(
      await endSessionUrl(client, { idToken: null, postLogoutRedirectUri: 'http://app.localhost/', state: 's' }),
      null,
    );
  });
});

describe('with a provider that keeps the claims for its userinfo endpoint', () => {
  let idp: Idp;
  before(async () => {
    idp = await startTestIdp({ claimsInUserinfoOnly: true });
  });
  after(() => idp.close());

  test('they are fetched', async () => {
    const { claims } = await logIn(testClient(idp.issuer));
    assert.deepEqual([claims.email, claims.groups, claims.preferredUsername], [ALICE.email, ['staff'], 'alice']);
  });

  test('an answer about somebody else is not used, and the login goes on', async () => {
    const client = testClient(idp.issuer, { fetch: tamper('/me', (body) => ({ ...body, sub: 'bob' })) });
    const { claims } = await logIn(client);
    assert.deepEqual([claims.sub, claims.email, claims.groups], ['alice', '', []]);
    assert.ok(client.events.some(({ event }) => event === 'userinfo_failed'));
  });
});

test('what comes back from the authorization endpoint', () => {
  const outcome = (query: string) => callbackOutcome(new URLSearchParams(query));
  assert.deepEqual(outcome('code=c&state=s'), { kind: 'code', code: 'c', state: 's', iss: undefined });
  assert.deepEqual(outcome('code=c&state=s&iss=i'), { kind: 'code', code: 'c', state: 's', iss: 'i' });
  assert.deepEqual(outcome('error=access_denied&error_description=x&state=s'), {
    kind: 'error',
    error: 'access_denied',
    description: 'x',
    state: 's',
  });
  assert.deepEqual(outcome('error=%3Cscript%3E&state=s'), {
    kind: 'error',
    error: 'other',
    description: '',
    state: 's',
  });
  assert.deepEqual(outcome('error=server_error'), { kind: 'error', error: 'server_error', description: '', state: '' });
  for (const query of [
    '',
    'code=c',
    'state=s',
    'code=&state=s',
    'code=c&state=',
    'code=c&code=d&state=s',
    'code=c&state=s&state=s',
  ]) {
    assert.deepEqual(outcome(query), { kind: 'malformed' }, query);
  }
});
