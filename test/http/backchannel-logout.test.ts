// OIDC Back-Channel Logout 1.0: what is the token's fault is 400, what is ours or the identity provider's is 503 and may be tried
// again; a key that is new when the token comes loses no logout.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { backchannelLogout } from '../../src/http/backchannel-logout.js';
import { runStep } from '../../src/http/steps.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, headerOf, stepRequest } from '../kit/checks.js';
import { testClient } from '../oidc/setup.js';

const ISSUER = 'https://idp.company.tld';
const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const application = makeApplication({ oidc: { issuer: ISSUER, client_id: 'app', client_secret: 'x'.repeat(40) } });

interface Pair {
  readonly jwk: JWK;
  readonly key: CryptoKey;
}

async function pair(kid: string): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { jwk: { ...(await exportJWK(publicKey)), kid, use: 'sig' }, key: privateKey };
}

const [OLD, NEW, SAME_NAME] = [await pair('one'), await pair('two'), await pair('one')];
let made = 0;
const tokenOf = ({ jwk, key }: Pair, changed: Record<string, unknown> = {}): Promise<string> => {
  const now = Math.floor(Date.now() / 1_000);
  made += 1;
  const claims = {
    iss: ISSUER,
    aud: 'app',
    sid: 's',
    iat: now,
    exp: now + 60,
    jti: `j${made}`,
    events: { [EVENT]: {} },
  };
  return new SignJWT({ ...claims, ...changed })
    .setProtectedHeader({ alg: 'ES256', kid: jwk.kid ?? '', typ: 'logout+jwt' })
    .sign(key);
};

async function setUp() {
  const idp = { discovery: 200, keys: [OLD.jwk] as JWK[] | null, asked: 0 };
  const client = testClient(ISSUER, {
    fetch: async (input) => {
      if (!String(input).endsWith('/jwks')) {
        return Response.json(
          { issuer: ISSUER, jwks_uri: `${ISSUER}/jwks`, id_token_signing_alg_values_supported: ['ES256'] },
          { status: idp.discovery },
        );
      }
      idp.asked += 1;
      return idp.keys === null ? new Response('', { status: 502 }) : Response.json({ keys: idp.keys });
    },
  });
  const checks = createChecks([application]);
  checks.clock.time = Date.now();
  const { context } = createLogins(checks, client);
  const ticket = await checks.signIn(application, { sid: 's' });
  return {
    idp,
    client,
    checks,
    send: (token: string) =>
      runStep(
        () =>
          backchannelLogout(
            context,
            stepRequest('https://whoami.company.tld/akprox/backchannel_logout').withTarget('POST', '/', ''),
            application,
            `logout_token=${token}`,
          ),
        context,
        stepRequest('https://whoami.company.tld/akprox/backchannel_logout'),
        application,
      ),
    isSignedIn: async () => (await checks.sessions.load(ticket, application)).kind === 'allow',
  };
}

describe('a back-channel logout', () => {
  for (const [name, next] of [
    ['another name', NEW],
    ['the same name', SAME_NAME],
  ] as const) {
    it(`by a token of a key that is new, under ${name}, ends the session`, async () => {
      const world = await setUp();
      assert.equal((await world.send(await tokenOf(OLD, { sid: 'nobodys' }))).status, 200);
      world.idp.keys = [next.jwk];
      assert.equal((await world.send(await tokenOf(next))).status, 200);
      assert.equal(await world.isSignedIn(), false);
      assert.equal(world.idp.asked, 2);
    });
  }

  it('by a token of a key that is nobody’s is refused, once that is known', async () => {
    const world = await setUp();
    assert.equal((await world.send(await tokenOf(SAME_NAME))).status, 400);
    assert.equal((await world.send(await tokenOf(NEW))).status, 400);
    assert.equal(await world.isSignedIn(), true);
  });

  const FAULTS: readonly (readonly [string, (world: Awaited<ReturnType<typeof setUp>>) => void])[] = [
    ['the identity provider cannot be discovered', ({ idp }) => Object.assign(idp, { discovery: 503 })],
    ['the identity provider is another than oidc.issuer says', ({ idp }) => Object.assign(idp, { discovery: 404 })],
    ['the keys cannot be fetched', ({ idp }) => Object.assign(idp, { keys: null })],
    ['the store is down', ({ checks }) => Object.assign(checks.store, { down: true })],
    ['the store cannot be written', ({ checks }) => Object.assign(checks.store, { readOnly: true })],
  ];
  for (const [name, fail] of FAULTS) {
    it(`while ${name} is answered 503, and works when it is sent again`, async () => {
      const world = await setUp();
      const token = await tokenOf(OLD);
      fail(world);
      const reply = await world.send(token);
      assert.equal(reply.status, 503);
      assert.match(headerOf(reply, 'Retry-After').join(), /^\d+$/);
      assert.deepEqual(headerOf(reply, 'Cache-Control'), ['no-store']);
      Object.assign(world.idp, { discovery: 200, keys: [OLD.jwk] });
      Object.assign(world.checks.store, { down: false, readOnly: false });
      // A failed discovery is believed for a second.
      world.client.clock.offset += 2_000;
      assert.equal((await world.send(token)).status, 200);
      assert.equal(await world.isSignedIn(), false);
    });
  }

  it('with sub and sid ends that session and those of the person of which no sid was ever said, and no other', async () => {
    const { checks, send, isSignedIn } = await setUp();
    const tickets = [];
    for (const claims of [{}, { sid: 'of a phone' }, { sub: 'bob' }])
      tickets.push(await checks.signIn(application, claims));
    assert.equal((await send(await tokenOf(OLD, { sub: 'alice' }))).status, 200);
    assert.equal(await isSignedIn(), false);
    const kinds = tickets.map(async (ticket) => (await checks.sessions.load(ticket, application)).kind);
    assert.deepEqual(await Promise.all(kinds), ['none', 'allow', 'allow']);
  });

  it('counts once', async () => {
    const world = await setUp();
    const token = await tokenOf(OLD);
    assert.equal((await world.send(token)).status, 200);
    const again = await world.send(token);
    assert.equal(again.status, 400);
    assert.match(again.body, /used before/);
  });
});
