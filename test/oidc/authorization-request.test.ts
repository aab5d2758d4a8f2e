// What the authorization request says besides our own, whether that came true, and pushed requests.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { beginLogin, finishLogin } from '../../src/oidc/flow.js';
import type { Idp } from '../kit/idp.js';
import {
  authorize,
  failsWith,
  goodClaims,
  logIn,
  seconds,
  startTestIdp,
  type TestClientOptions,
  tamper,
  testClient,
} from './setup.js';

const PAR = { oidc: { par: true } };

describe('pushed authorization requests', () => {
  let strict: Idp;
  let relaxed: Idp;
  before(async () => {
    strict = await startTestIdp({ requirePar: true });
    relaxed = await startTestIdp();
  });
  after(async () => {
    await strict.close();
    await relaxed.close();
  });

  /** Where a login begins, and what was pushed for it. */
  async function begin(issuer: string, options: TestClientOptions = {}) {
    const pushed: URLSearchParams[] = [];
    const client = testClient(issuer, {
      ...options,
      fetch: (input, init) => {
        if (String(input).endsWith('/request')) pushed.push(new URLSearchParams(String(init?.body)));
        return (options.fetch ?? fetch)(input, init);
      },
    });
    const login = await beginLogin(client, randomBytes);
    return { client, login, pushed, params: new URL(login.url).searchParams };
  }

  test('when discovery demands them, and when the setting says so: the browser carries a reference and no more', async () => {
    for (const [issuer, options] of [
      [strict.issuer, {}],
      [strict.issuer, { oidc: { par: false } }],
      [relaxed.issuer, PAR],
    ] as const) {
      const { client, login, pushed, params } = await begin(issuer, options);
      assert.deepEqual([...params.keys()].sort(), ['client_id', 'request_uri']);
      assert.equal(pushed.length, 1);
      assert.equal(pushed[0]?.get('state'), login.state);
      assert.equal(pushed[0]?.get('nonce'), login.nonce);
      const { claims } = await finishLogin(client, await authorize(login), login);
      assert.equal(claims.sub, 'alice');
    }
  });

  test('otherwise nothing is asked before the browser goes', async () => {
    const { pushed, params } = await begin(relaxed.issuer);
    assert.deepEqual([pushed.length, params.has('request_uri')], [0, false]);
  });

  test('with parameters of the operator, which are pushed too', async () => {
    const { pushed } = await begin(relaxed.issuer, { oidc: { par: true, authorization_params: { ui_locales: 'de' } } });
    assert.equal(pushed[0]?.get('ui_locales'), 'de');
  });

  test('an identity provider without the endpoint is named with the setting', async () => {
    const without = tamper('/openid-configuration', ({ pushed_authorization_request_endpoint: _, ...body }) => body);
    await assert.rejects(
      begin(relaxed.issuer, { ...PAR, fetch: without }),
      failsWith('idp_rejected', /oidc\.par.*pushed_authorization_request_endpoint/),
    );
  });

  for (const [what, answer, code, message] of [
    ['does not answer', () => Promise.reject(new TypeError('fetch failed')), 'idp_failed', /no answer/],
    [
      'answers 503',
      async () => new Response('', { status: 503 }),
      'idp_failed',
      /pushed authorization request endpoint answered 503/,
    ],
    [
      'refuses',
      async () => Response.json({ error: 'invalid_client' }, { status: 401 }),
      'idp_rejected',
      /pushed authorization request endpoint refused: invalid_client .*oidc\.client_secret/,
    ],
    [
      'answers with something else',
      async () => new Response('<html>'),
      'idp_rejected',
      /pushed authorization request endpoint/,
    ],
  ] as const) {
    test(`an endpoint that ${what}`, async () => {
      const broken: typeof fetch = (input, init) =>
        String(input).endsWith('/request') ? answer() : fetch(input, init);
      await assert.rejects(begin(relaxed.issuer, { ...PAR, fetch: broken }), failsWith(code, message));
    });
  }

  test('so many at once and no more, and room again when they are done', async () => {
    const waiting: ((response: Response) => void)[] = [];
    let hang = true;
    const client = testClient(relaxed.issuer, {
      ...PAR,
      fetch: (input, init) =>
        hang && String(input).endsWith('/request')
          ? new Promise((resolve) => waiting.push(resolve))
          : fetch(input, init),
    });
    await client.discover();
    const begun = Array.from({ length: 500 }, () =>
      beginLogin(client, randomBytes).then(
        () => 'begun',
        (error: Error) => error.message,
      ),
    );
    const refused = await Promise.race([...begun.slice(128)]);
    assert.match(refused, /too many logins/);
    assert.equal(
      (await Promise.all(begun.slice(128))).filter((text) => /too many logins/.test(text)).length,
      500 - 128,
    );
    assert.equal(waiting.length, 128);
    for (const answer of waiting) answer(new Response('', { status: 503 }));
    await Promise.all(begun);
    hang = false;
    await beginLogin(client, randomBytes);
  });
});

describe('authorization_params', () => {
  let idp: Idp;
  before(async () => {
    idp = await startTestIdp();
  });
  after(() => idp.close());

  test('are in the request, and take the place of none of our own', async () => {
    const authorization_params = {
      prompt: 'login',
      ui_locales: 'de fr',
      audience: 'https://api/?a=b&c',
      login_hint: 'é',
    };
    const login = await beginLogin(testClient(idp.issuer, { oidc: { authorization_params } }), randomBytes);
    const params = Object.fromEntries(new URL(login.url).searchParams);
    for (const [name, value] of Object.entries(authorization_params)) assert.equal(params[name], value);
    assert.deepEqual([params['state'], params['client_id'], params['response_type']], [login.state, 'app', 'code']);
    const forged = { oidc: { authorization_params: { state: 'x', nonce: 'x', redirect_uri: 'https://evil.tld' } } };
    const other = await beginLogin(testClient(idp.issuer, forged), randomBytes);
    assert.ok(![...new URL(other.url).searchParams.values()].some((value) => value === 'x' || value.includes('evil')));
  });

  test('max_age: the double says when somebody authenticated', async () => {
    const client = testClient(idp.issuer, { oidc: { authorization_params: { max_age: '300' } } });
    assert.equal((await logIn(client)).claims.sub, 'alice');
  });

  /** A login whose ID token has these claims; `auth_time` in seconds from now. */
  async function logInWith(
    authorization_params: Record<string, string>,
    { auth_time, ...others }: { readonly auth_time?: number; readonly acr?: unknown },
  ) {
    const claims = { ...others, ...(auth_time !== undefined && { auth_time: seconds() + auth_time }) };
    let nonce = '';
    const swap = tamper('/token', async (body) => ({
      ...body,
      id_token: await idp.sign(goodClaims(idp.issuer, { nonce, ...claims })),
    }));
    // Not asked of the double, which would refuse an acr that it does not know.
    const asks = testClient(idp.issuer);
    const client = testClient(idp.issuer, { fetch: swap, oidc: { authorization_params } });
    const login = await beginLogin(asks, randomBytes);
    nonce = login.nonce;
    return finishLogin(client, await authorize(login), login);
  }

  for (const [params, claims] of [
    [{ acr_values: 'silver gold' }, { acr: 'gold' }],
    [{ acr_values: 'urn:mfa' }, { acr: 'urn:mfa' }],
    [{ max_age: '60' }, { auth_time: 0 }],
    [{ max_age: '0' }, { auth_time: 5 }],
    [{ max_age: '0' }, { auth_time: -50 }],
    [{ max_age: '3600' }, { auth_time: -3_600 }],
    [{ prompt: 'login' }, {}],
  ] as const) {
    test(`a login that did what ${JSON.stringify(params)} asks for`, async () => {
      assert.equal((await logInWith(params, claims)).claims.sub, 'alice');
    });
  }

  for (const [what, params, claims, message] of [
    [
      'another acr',
      { acr_values: 'silver gold' },
      { acr: 'bronze' },
      /another acr .*acr_values in oidc\.authorization_params/,
    ],
    ['an acr that has the name in it', { acr_values: 'gold' }, { acr: 'golden' }, /another acr/],
    ['no acr', { acr_values: 'gold' }, {}, /brought no acr .*acr_values in oidc\.authorization_params/],
    ['an acr of another type', { acr_values: '1' }, { acr: 1 }, /another acr/],
    ['an empty acr', { acr_values: 'gold' }, { acr: '' }, /another acr/],
    [
      'an authentication long ago',
      { max_age: '60' },
      { auth_time: -3_600 },
      /another auth_time .*max_age in oidc\.authorization_params/,
    ],
    ['one long ago, where none is old enough', { max_age: '0' }, { auth_time: -300 }, /another auth_time/],
    ['no auth_time', { max_age: '3600' }, {}, /brought no auth_time .*max_age in oidc\.authorization_params/],
    ['the one and not the other', { max_age: '60', acr_values: 'gold' }, { acr: 'gold' }, /brought no auth_time/],
  ] as const) {
    test(`a login with ${what} is refused, and the setting is named`, async () => {
      await assert.rejects(logInWith(params, claims), failsWith('login_insufficient', message));
    });
  }
});
