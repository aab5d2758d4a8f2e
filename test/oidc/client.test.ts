import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { AkproxError } from '../../src/infra/errors.js';
import { verifyJwt } from '../../src/oidc/verify-jwt.js';
import {
  ALICE,
  failsWith,
  logIn,
  SECRET,
  seconds,
  startTestIdp,
  type TestClientOptions,
  tamper,
  testClient,
} from './setup.js';

const ISSUER = 'https://auth.company.tld/application/o/whoami/';
const DOCUMENT = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}authorize`,
  token_endpoint: `${ISSUER}token`,
  jwks_uri: `${ISSUER}jwks`,
  id_token_signing_alg_values_supported: ['RS256'],
};

/** A fetch that answers each call with the next of these, and the last one from then on. */
function answers(...list: (object | 'down')[]) {
  const urls: string[] = [];
  const stub = async (input: string | URL | Request): Promise<Response> => {
    urls.push(String(input));
    const answer = list[Math.min(urls.length, list.length) - 1];
    if (answer === 'down') throw new TypeError('fetch failed');
    return Response.json(answer);
  };
  return Object.assign(stub, { urls });
}

test('discovery happens once, on first use, for all who wait', async () => {
  const fetch = answers(DOCUMENT);
  const client = testClient(ISSUER, { fetch });
  assert.equal(client.provider === null, true);
  await Promise.all([client.discover(), client.discover(), client.discover()]);
  await client.discover();
  assert.deepEqual(fetch.urls, [`${ISSUER}.well-known/openid-configuration`]);
  assert.equal(client.provider?.metadata.issuer, ISSUER);
});

test('a failed discovery is remembered for one second', async () => {
  const fetch = answers('down', DOCUMENT);
  const client = testClient(ISSUER, { fetch });
  const failure = failsWith('idp_unreachable', /auth\.company\.tld/);
  await Promise.all([1, 2, 3].map(() => assert.rejects(client.discover(), failure)));
  client.clock.offset = 900;
  await assert.rejects(client.discover(), failure);
  assert.equal(fetch.urls.length, 1);
  client.clock.offset = 1_100;
  await client.discover();
  assert.equal(fetch.urls.length, 2);
  const [first] = client.events;
  assert.ok(first?.error instanceof AkproxError && first.error.cause instanceof TypeError);
});

test('a provider that is down, then up', async (t) => {
  const probe = await startTestIdp();
  const { issuer, port } = probe;
  await probe.close();
  const client = testClient(issuer);
  await assert.rejects(logIn(client), failsWith('idp_unreachable', /127\.0\.0\.1/));
  const idp = await startTestIdp({ port });
  t.after(() => idp.close());
  client.clock.offset = 1_100;
  assert.equal((await logIn(client)).claims.email, ALICE.email);
});

test('the warm-up tries again, less and less often, until it succeeds', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const fetch = answers('down', 'down', 'down', DOCUMENT);
  const client = testClient(ISSUER, { fetch });
  client.warmUp();
  const delays: number[] = [];
  for (let failures = 1; client.provider === null; failures += 1) {
    while (client.events.length < failures) await turn();
    if (client.provider !== null) break;
    await turn();
    let waited = 0;
    for (const before = fetch.urls.length; fetch.urls.length === before && waited < 10_000; waited += 250) {
      client.clock.offset += 250;
      t.mock.timers.tick(250);
      await turn();
    }
    delays.push(waited);
  }
  assert.deepEqual(
    client.events.map(({ event }) => event),
    ['discovery_failed', 'discovery_failed', 'discovery_failed', 'discovered'],
  );
  const [first = 0, second = 0, third = 0] = delays;
  assert.ok(
    first >= 1_000 && first <= 1_500 && second >= 2_000 && second <= 2_750 && third >= 4_000 && third <= 5_250,
    String(delays),
  );
});

for (const how of ['close', 'signal'] as const) {
  test(`the warm-up ends with ${how}`, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const fetch = answers('down');
    const client = testClient(ISSUER, { fetch });
    const stop = new AbortController();
    client.warmUp(stop.signal);
    while (client.events.length < 1) await turn();
    await turn();
    if (how === 'close') client.close();
    else stop.abort();
    client.clock.offset = 120_000;
    t.mock.timers.tick(120_000);
    await turn();
    assert.equal(fetch.urls.length, 1);
  });
}

test('the issuer is compared exactly, and both spellings are named', async () => {
  for (const [configured, found] of [
    [ISSUER, ISSUER.slice(0, -1)],
    [ISSUER, 'https://auth.company.tld/'],
    ['https://auth.company.tld', 'https://auth.company.tld/'],
  ] as const) {
    const client = testClient(configured, { fetch: answers({ ...DOCUMENT, issuer: found }) });
    await assert.rejects(client.discover(), (error: unknown) => {
      assert.ok(error instanceof AkproxError && error.code === 'idp_rejected');
      assert.ok(
        error.message.includes('oidc.issuer') &&
          error.message.includes(`"${configured}"`) &&
          error.message.includes(`"${found}"`),
      );
      return true;
    });
  }
});

test('what is at that address is not a provider', async () => {
  for (const stub of [
    async () => new Response('<html>', { status: 200 }),
    async () => new Response('', { status: 404 }),
  ]) {
    await assert.rejects(
      testClient(ISSUER, { fetch: stub }).discover(),
      failsWith('idp_unreachable', /discovery document/),
    );
  }
});

test('the algorithm: the setting, else the only one, else RS256', async () => {
  const chosen = async (listed: string[] | undefined, setting?: 'ES256') => {
    const fetch = answers({ ...DOCUMENT, id_token_signing_alg_values_supported: listed });
    const client = testClient(ISSUER, { fetch, oidc: { id_token_signed_response_alg: setting } });
    return (await client.discover()).algorithms;
  };
  assert.deepEqual(await chosen(['RS256'], 'ES256'), ['ES256']);
  assert.deepEqual(await chosen(['ES384']), ['ES384']);
  assert.deepEqual(await chosen(['HS256', 'RS256', 'ES256']), ['RS256']);
  assert.deepEqual(await chosen(['none', 'RS256']), ['RS256']);
  assert.deepEqual(await chosen(undefined), ['RS256']);
  assert.deepEqual(await chosen(['EdDSA']), ['EdDSA', 'Ed25519']);
  for (const listed of [['ES256', 'ES384'], ['none'], []]) {
    await assert.rejects(chosen(listed), failsWith('idp_rejected', /oidc\.id_token_signed_response_alg/));
  }
});

test('HMAC needs the secret', async () => {
  const fetch = answers({ ...DOCUMENT, id_token_signing_alg_values_supported: ['HS256'] });
  const client = testClient(ISSUER, { fetch, oidc: { client_secret: undefined } });
  await assert.rejects(client.discover(), failsWith('idp_rejected', /client_secret/));
});

test('an https: issuer has no http: keys', async () => {
  const client = testClient(ISSUER, { fetch: answers({ ...DOCUMENT, jwks_uri: 'http://auth.company.tld/jwks' }) });
  await assert.rejects(client.discover(), failsWith('idp_rejected', /jwks_uri/));
});

test('metadata instead of discovery; its endpoints may be internal ones', async (t) => {
  const idp = await startTestIdp();
  t.after(() => idp.close());
  const metadata = { ...DOCUMENT, jwks_uri: `${idp.issuer}/jwks` };
  const client = testClient(ISSUER, { metadata });
  await verifyJwt(
    client,
    await idp.sign({ iss: ISSUER, aud: 'app', sub: 'alice', iat: seconds(), exp: seconds() + 60 }),
  );
  const wrong = testClient(`${ISSUER}x`, { metadata });
  await assert.rejects(wrong.discover(), failsWith('idp_rejected', /oidc\.issuer/));
});

test('how we authenticate at the token endpoint', async (t) => {
  const methods = ['client_secret_post', 'client_secret_basic', 'none'] as const;
  const clients = methods.map((method) => ({
    client_id: method,
    redirect_uris: [`http://${method}.localhost/callback`],
    token_endpoint_auth_method: method,
    ...(method === 'none' ? {} : { client_secret: SECRET }),
    ...(method === 'none' ? { grant_types: ['authorization_code', 'refresh_token'] } : {}),
  }));
  const idp = await startTestIdp({ clients, authMethods: methods });
  t.after(() => idp.close());
  for (const method of methods) {
    const explicit = method === 'none' ? {} : { token_endpoint_auth_method: method };
    const oidc = { client_id: method, client_secret: method === 'none' ? undefined : SECRET, ...explicit };
    await logIn(testClient(idp.issuer, { oidc, fetch: tamper('/token', (body) => body) }));
  }
});

/** Logs in, and says where the secret was: `basic` or `post`. */
async function secretSentBy(issuer: string, options: TestClientOptions): Promise<string[]> {
  const sent: string[] = [];
  const client = testClient(issuer, {
    ...options,
    fetch: (input, init) => {
      if (String(input).endsWith('/token')) {
        if (new Headers(init?.headers).get('authorization')?.startsWith('Basic ')) sent.push('basic');
        if (new URLSearchParams(String(init?.body)).has('client_secret')) sent.push('post');
      }
      return (options.fetch ?? fetch)(input, init);
    },
  });
  await logIn(client);
  return sent;
}

for (const [expected, named] of [
  ['basic', undefined],
  ['basic', ['client_secret_basic']],
  ['basic', ['client_secret_post', 'client_secret_basic']],
  ['basic', ['private_key_jwt']],
  ['post', ['private_key_jwt', 'client_secret_post']],
] as const) {
  test(`how we authenticate without the setting: ${expected} when discovery names ${named?.join(', ') ?? 'nothing'}`, async (t) => {
    const idp = await startTestIdp({
      authMethods: [expected === 'basic' ? 'client_secret_basic' : 'client_secret_post'],
    });
    t.after(() => idp.close());
    const names = tamper('/openid-configuration', (body) => ({
      ...body,
      token_endpoint_auth_methods_supported: named,
    }));
    assert.deepEqual(await secretSentBy(idp.issuer, { fetch: names }), [expected]);
  });
}

test('at authentik the secret is in the form', async (t) => {
  const idp = await startTestIdp({ authMethods: ['client_secret_post', 'client_secret_basic'] });
  t.after(() => idp.close());
  const { metadata } = await testClient(idp.issuer).discover();
  assert.deepEqual(await secretSentBy(idp.issuer, { metadata: { ...metadata } }), ['post']);
});
