// Header authentication (contract §5): verdicts, what they are keyed by, how long they are kept, and what is never done.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { pino } from 'pino';
import type { Application } from '../../src/application/application.js';
import { blockHeaders } from '../../src/application/identity.js';
import { HeaderAuth } from '../../src/oidc/header-auth.js';
import { makeApplication } from '../kit/application.js';
import type { Idp } from '../kit/idp.js';
import { logIn, SECRET, seconds, startTestIdp, type TestClient, tamper, testClient } from './setup.js';

let idp: Idp;
before(async () => {
  idp = await startTestIdp();
});
after(() => idp.close());

interface Setup {
  readonly auth: HeaderAuth;
  readonly client: TestClient;
  readonly application: Application;
  readonly calls: string[];
  /** Reasons of refusals. */
  readonly counted: string[];
}

function setup(overrides: Record<string, unknown> = {}, fetching: typeof fetch = fetch): Setup {
  const calls: string[] = [];
  const counted: string[] = [];
  const client = testClient(idp.issuer, {
    fetch: (input, init) => {
      if (init?.method === 'POST') calls.push(new URL(String(input)).pathname);
      return fetching(input, init);
    },
  });
  const application = makeApplication({
    oidc: { issuer: idp.issuer, client_id: 'app', client_secret: SECRET },
    ...overrides,
  });
  const auth = new HeaderAuth({
    oidc: () => client,
    now: client.now,
    monotonic: client.monotonic,
    log: pino({ level: 'silent' }),
    countRefused: (_, reason) => counted.push(reason),
  });
  return { auth, client, application, calls, counted };
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

test('a bearer token of ours is let through with the identity headers, and asked about once a minute', async () => {
  const { auth, client, application, calls } = setup();
  const { accessToken } = await logIn(client);
  calls.length = 0;
  for (let i = 0; i < 3; i += 1) {
    const verdict = await auth.verify(application, `bearer ${accessToken}`);
    assert.equal(verdict.kind, 'allow');
    if (verdict.kind === 'allow') assert.equal(new Map(blockHeaders(verdict.block)).get('X-Auth-Username'), 'alice');
  }
  assert.equal(calls.length, 1);
  client.clock.offset += 60_001;
  await auth.verify(application, `bearer ${accessToken}`);
  assert.equal(calls.length, 2);
});

test('a token for another client is refused, and the refusal is remembered', async () => {
  const { auth, application, calls, counted } = setup();
  const { accessToken } = await logIn(testClient(idp.issuer, { oidc: { client_id: 'other' } }));
  assert.equal((await auth.verify(application, `Bearer ${accessToken}`)).kind, 'refused');
  assert.equal((await auth.verify(application, `Bearer ${accessToken}`)).kind, 'refused');
  assert.equal(calls.length, 1);
  assert.deepEqual(counted, ['audience', 'audience'], 'each refusal counts, a remembered one too');
});

test('a token for an audience that is configured is let through', async () => {
  const { auth, application } = setup({ bearer: { audiences: ['other'] } });
  const { accessToken } = await logIn(testClient(idp.issuer, { oidc: { client_id: 'other' } }));
  assert.equal((await auth.verify(application, `Bearer ${accessToken}`)).kind, 'allow');
  assert.equal((await auth.verify(application, basic('goauthentik.io/token', accessToken))).kind, 'allow');
});

test('a refusal has its reason in the log at debug level, and nothing of the credentials', async () => {
  const lines: Record<string, unknown>[] = [];
  const { client, application } = setup();
  const auth = new HeaderAuth({
    oidc: () => client,
    now: client.now,
    monotonic: client.monotonic,
    log: pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) }),
  });
  for (const [header, reason] of [
    ['Bearer made-up', 'inactive'],
    ['Basic !', 'malformed'],
    [basic('alice', 'wrong'), 'wrong_password'],
    [`Bearer ${'x'.repeat(20_000)}`, 'too_long'],
  ] as const) {
    lines.length = 0;
    assert.deepEqual(await auth.verify(application, header), { kind: 'refused', reason });
    assert.deepEqual(
      lines.map((line) => [line['msg'], line['provider'], line['reason']]),
      [['Authorization header refused', 'whoami', reason]],
    );
    assert.ok(!JSON.stringify(lines).includes(header.split(' ')[1] ?? ''));
  }
});

test('a verdict of one provider, or of one that has changed since, does not count at another', async () => {
  const { auth, client, application, calls } = setup();
  const { accessToken } = await logIn(client);
  calls.length = 0;
  assert.equal((await auth.verify(application, `Bearer ${accessToken}`)).kind, 'allow');
  const stricter = setup({ access: { groups: ['nobody'] } }).application;
  assert.equal((await auth.verify(stricter, `Bearer ${accessToken}`)).kind, 'forbidden');
  const other = setup({ name: 'other' }).application;
  assert.equal((await auth.verify(other, `Bearer ${accessToken}`)).kind, 'allow');
  assert.equal(calls.length, 3);
});

test('callers with the same credentials share one question', async () => {
  const { auth, client, application, calls } = setup();
  const { accessToken } = await logIn(client);
  calls.length = 0;
  await Promise.all(Array.from({ length: 20 }, () => auth.verify(application, `Bearer ${accessToken}`)));
  assert.equal(calls.length, 1);
});

test('user and password are exchanged for a token; a wrong password is refused', async () => {
  const token = await idp.sign({
    iss: idp.issuer,
    aud: 'app',
    sub: 'alice',
    preferred_username: 'alice',
    exp: seconds() + 300,
    iat: seconds(),
  });
  const answer = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const form = new URLSearchParams(String(init?.body ?? ''));
    if (form.get('grant_type') !== 'client_credentials') return fetch(input, init);
    if (form.get('password') !== 'app-password') return Response.json({ error: 'invalid_grant' }, { status: 400 });
    return Response.json({ access_token: token, id_token: token, token_type: 'Bearer' });
  };
  const { auth, application } = setup({}, answer);
  assert.equal((await auth.verify(application, basic('alice', 'app-password'))).kind, 'allow');
  assert.equal((await auth.verify(application, basic('alice', 'wrong'))).kind, 'refused');
});

test('a token that was granted to the client itself, whatever the password, is refused', async () => {
  const token = await idp.sign({ iss: idp.issuer, aud: 'app', sub: 'app', exp: seconds() + 300, iat: seconds() });
  const answer = async (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
    String(init?.body ?? '').includes('client_credentials')
      ? Response.json({ access_token: token, token_type: 'Bearer' })
      : fetch(input, init);
  const { auth, application } = setup({}, answer);
  assert.equal((await auth.verify(application, basic('anybody', 'anything'))).kind, 'refused');
});

test('goauthentik.io/token makes the password a bearer token', async () => {
  const { auth, client, application } = setup();
  const { accessToken } = await logIn(client);
  assert.equal((await auth.verify(application, basic('goauthentik.io/token', accessToken))).kind, 'allow');
});

test('while the provider is down there is no verdict, and none is remembered', async () => {
  let down = true;
  const { auth, client, application } = setup({}, (input, init) =>
    down && String(input).endsWith('/introspection')
      ? Promise.resolve(new Response('', { status: 502 }))
      : fetch(input, init),
  );
  const { accessToken } = await logIn(client);
  assert.equal((await auth.verify(application, `Bearer ${accessToken}`)).kind, 'unavailable');
  down = false;
  assert.equal((await auth.verify(application, `Bearer ${accessToken}`)).kind, 'allow');
});

test('what is no Bearer and no Basic is none of our business', async () => {
  const { auth, application, calls } = setup();
  for (const header of ['Digest x', 'Bearerx y', 'Basicx y', 'Negotiate abc', '', `Digest ${'x'.repeat(20_000)}`]) {
    assert.equal((await auth.verify(application, header)).kind, 'ignored', header);
  }
  assert.deepEqual(calls, []);
});

test('what is of a scheme of ours and cannot be read is refused, and nothing is sent', async () => {
  const { auth, application, calls } = setup();
  const encoded = (text: string, encoding: BufferEncoding = 'utf8') => Buffer.from(text, encoding).toString('base64');
  for (const header of [
    'Bearer',
    'Bearer ',
    'Bearer a b',
    `Bearer ${'x'.repeat(20_000)}`,
    'Basic',
    'basic  ',
    'Basic !',
    'Basic YTpi!',
    'Basic YTpiYw===',
    'Basic YTpiY',
    'Basic YT pi',
    'Basic =',
    // Two spellings of the same bytes, of which one is no base64.
    'Basic YTpiYx==',
    `Basic ${encoded('a:b>>>???').replaceAll('+', '-').replaceAll('/', '_')}`,
    `Basic ${encoded('no colon')}`,
    `Basic ${encoded('')}`,
    `Basic ${encoded('a:b\0')}`,
    `Basic ${encoded('a\n:b')}`,
    `Basic ${encoded('a:b\u00fc', 'latin1')}`,
  ]) {
    assert.equal((await auth.verify(application, header)).kind, 'refused', header.slice(0, 40));
  }
  assert.deepEqual(calls, []);
});

test('whatever follows a scheme, a verdict comes, and only base64 with a colon is asked about', async () => {
  const asked: string[] = [];
  const { auth, application } = setup({}, async (input, init) => {
    if (init?.method !== 'POST') return fetch(input, init);
    const form = new URLSearchParams(String(init.body));
    asked.push(`${form.get('username')}:${form.get('password')}`);
    return Response.json({ error: 'invalid_grant' }, { status: 400 });
  });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.base64String(), fc.string({ unit: fc.constantFrom(...'YTpiOjo=+/-_ !') })),
      async (text) => {
        asked.length = 0;
        assert.equal((await auth.verify(application, `Basic ${text}`)).kind, 'refused');
        for (const pair of asked) {
          assert.equal(Buffer.from(pair).toString('base64').replace(/=+$/, ''), text.trim().replace(/=+$/, ''));
        }
      },
    ),
  );
});

test('an application whose provider hangs refuses nobody at another', async () => {
  let hanging = 0;
  const hangs: typeof fetch = (input, init) => {
    if (!String(input).endsWith('/introspection')) return fetch(input, init);
    hanging += 1;
    return new Promise<Response>(() => {});
  };
  const slow = setup({ name: 'slow' }, hangs);
  const quick = setup({ name: 'quick' });
  // One HeaderAuth for both, as in a worker.
  const auth = new HeaderAuth({
    oidc: (application) => (application.name === 'slow' ? slow.client : quick.client),
    now: quick.client.now,
    monotonic: quick.client.monotonic,
    log: pino({ level: 'silent' }),
  });
  await slow.client.discover();
  const { accessToken } = await logIn(quick.client);
  const verdicts: unknown[] = [];
  for (let i = 0; i < 1_000; i += 1) {
    void auth.verify(slow.application, `Bearer made-up-${i}`).then((verdict) => verdicts.push(verdict));
  }
  assert.equal((await auth.verify(quick.application, `Bearer ${accessToken}`)).kind, 'allow');
  assert.equal(hanging, 128);
  assert.deepEqual(verdicts, Array(1_000 - 128).fill({ kind: 'unavailable' }));
});

test("claims come from authentik's access token, when it is a JWT that verifies", async () => {
  const claims = {
    iss: idp.issuer,
    aud: 'app',
    sub: 'alice',
    exp: seconds() + 120,
    iat: seconds(),
    groups: ['from-access-token'],
  };
  const withToken = (payload: Record<string, unknown>) =>
    testClient(idp.issuer, {
      claimsFrom: 'access_token',
      fetch: tamper('/token', async (body) => ({ ...body, access_token: await idp.sign(payload) })),
    });
  const good = await logIn(withToken(claims));
  assert.deepEqual(good.claims.groups, ['from-access-token']);
  assert.equal(good.claims.email, 'alice@company.tld');
  assert.ok(good.expiresAt <= Date.now() + 120_000);
  for (const bad of [
    { ...claims, aud: 'other' },
    { ...claims, sub: 'bob' },
    { ...claims, exp: 1 },
  ]) {
    assert.deepEqual((await logIn(withToken(bad))).claims.groups, ['staff']);
  }
});

// Last: it takes seconds, after which the provider has closed its idle connections.
test('made-up credentials push out no good verdict', async () => {
  const { auth, client, application, calls } = setup({}, async (input, init) =>
    String(init?.body ?? '').includes('made-up') ? Response.json({ active: false }) : fetch(input, init),
  );
  const { accessToken } = await logIn(client);
  assert.equal((await auth.verify(application, `Bearer ${accessToken}`)).kind, 'allow');
  for (let i = 0; i < 10_100; i += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, k) => auth.verify(application, `Bearer made-up-${i + k}`)));
  }
  calls.length = 0;
  assert.equal((await auth.verify(application, `Bearer ${accessToken}`)).kind, 'allow');
  assert.deepEqual(calls, []);
});
