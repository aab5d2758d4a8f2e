// Hundreds of requests of each kind that makes a line, whatever the clients choose: a handful of lines a minute, and the next
// one says how many were held back. No line is lost from the count.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { pino } from 'pino';
import type { Application } from '../../src/application/application.js';
import { backchannelLogout } from '../../src/http/backchannel-logout.js';
import { callback } from '../../src/http/callback.js';
import { DIALECTS } from '../../src/http/dialects.js';
import type { Snapshot } from '../../src/http/exchange.js';
import { frontchannelLogout } from '../../src/http/frontchannel-logout.js';
import { signOut } from '../../src/http/sign-out.js';
import { start } from '../../src/http/start.js';
import { runStep, type Step, type StepContext } from '../../src/http/steps.js';
import { userinfo } from '../../src/http/userinfo.js';
import { AkproxError } from '../../src/infra/errors.js';
import { createGatedLog } from '../../src/infra/log-gate.js';
import { createOidcClient } from '../../src/oidc/client.js';
import { HeaderAuth } from '../../src/oidc/header-auth.js';
import type { RenewalAnswer } from '../../src/session/renewal.js';
import type { Session } from '../../src/session/session.js';
import { issueTicket } from '../../src/session/ticket.js';
import { makeApplication } from '../kit/application.js';
import {
  type Checks,
  createChecks,
  createLogins,
  headerOf,
  requestOf,
  stepRequest,
  traefikRequest,
} from '../kit/checks.js';

const REQUESTS = 200;
const HANDFUL = 5;
const ISSUER = 'https://idp.company.tld';
const CLIENT_SECRET = 'client-secret-of-more-than-thirty-two-bytes';
const APP = 'https://whoami.company.tld';

interface World {
  readonly application: Application;
  readonly checks: Checks;
  readonly steps: StepContext;
  readonly credentials: HeaderAuth;
  /** How the identity provider answers, by the end of the path; what is not named cannot be reached. */
  readonly idp: Map<string, () => Response>;
  redeem: () => Promise<RenewalAnswer>;
  step(step: Step, request: Snapshot): Promise<unknown>;
}

function createWorld(write: (line: Record<string, unknown>) => void): World {
  const application = makeApplication({
    access: { groups: ['staff'] },
    oidc: { issuer: ISSUER, client_id: 'whoami', client_secret: CLIENT_SECRET },
  });
  let world: World | null = null;
  const log = createGatedLog(
    pino({ level: 'info' }, { write: (line: string) => write(JSON.parse(line)) }),
    () => world?.checks.clock.time ?? 0,
  );
  const checks = createChecks(
    [application],
    { log },
    { redeem: () => (world as World).redeem(), cache: { max_bytes: 1_000_000, max_age: 60_000, stale_max: 300_000 } },
  );
  checks.clock.time = Date.now();
  const idp: World['idp'] = new Map();
  idp.set('/.well-known/openid-configuration', () =>
    Response.json({
      issuer: ISSUER,
      authorization_endpoint: `${ISSUER}/authorize`,
      token_endpoint: `${ISSUER}/token`,
      introspection_endpoint: `${ISSUER}/introspect`,
      end_session_endpoint: `${ISSUER}/end`,
      jwks_uri: `${ISSUER}/jwks`,
      id_token_signing_alg_values_supported: ['HS256'],
    }),
  );
  const client = createOidcClient({
    oidc: application.config.oidc,
    redirectUri: application.redirectUri,
    now: () => checks.clock.time,
    monotonic: () => checks.clock.time,
    // Nothing is waited for.
    timers: {
      after: (_ms, work) => {
        setImmediate(work);
        return () => {};
      },
    },
    fetch: async (input) => {
      const found = [...idp].find(([end]) => String(input).endsWith(end));
      if (found === undefined) throw new Error('no such host');
      return found[1]();
    },
  });
  const { context } = createLogins(checks, client, log);
  world = {
    application,
    checks,
    steps: context,
    credentials: new HeaderAuth({
      oidc: () => client,
      now: () => checks.clock.time,
      monotonic: () => checks.clock.time,
      log,
    }),
    idp,
    redeem: async () => ({ kind: 'ended' }),
    step: (step, request) => runStep(step, context, request, application),
  };
  return world;
}

const times = (i: number): string => `${i}`.padStart(8, '0');
const ticket = (world: World): string => `${world.application.cookieName}=${issueTicket(world.application).cookie}`;

/** An attempt of its own for each callback, as an attacker with patience has them. */
async function callBack(world: World, answer: string): Promise<void> {
  const begun = await start(world.steps, stepRequest(`${APP}/akprox/start`), world.application);
  const state = new URL(headerOf(begun, 'Location')[0] ?? '').searchParams.get('state');
  const cookies = headerOf(begun, 'Set-Cookie').map((cookie) => cookie.split(';')[0] ?? '');
  await world.step(callback, stepRequest(`${APP}/akprox/callback?state=${state}&${answer}`, cookies));
}

async function renew(world: World, session: Partial<Session> = {}): Promise<void> {
  const { checks, application } = world;
  const cookie = await checks.signIn(
    application,
    { groups: ['staff'] },
    { refreshToken: 'r', renewedAt: checks.clock.time - 1_000_000, expiresAt: checks.clock.time + 10_000, ...session },
  );
  await checks.elsewhere.sessions.load(cookie, application);
  for (let i = 0; i < 10; i += 1) await new Promise((done) => setImmediate(done));
}

function logoutToken(world: World, i: number, audience = 'whoami'): Promise<string> {
  const seconds = Math.floor(world.checks.clock.time / 1_000);
  return new SignJWT({
    iss: ISSUER,
    aud: audience,
    sub: `user${i}`,
    jti: randomBytes(8).toString('hex'),
    iat: seconds,
    exp: seconds + 60,
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  })
    .setProtectedHeader({ alg: 'HS256', typ: 'logout+jwt' })
    .sign(new TextEncoder().encode(CLIENT_SECRET));
}

/** Each makes one line, if nothing held it back. */
const KINDS: Record<string, (world: World, i: number) => Promise<unknown>> = {
  'hosts that nobody has': ({ checks }, i) => checks.decide(traefikRequest(`https://h${times(i)}.example/`)),
  'a header that is missing': ({ checks }) => checks.decide(requestOf([['x-forwarded-host', 'whoami.company.tld']])),
  'a header that comes twice': ({ checks }, i) =>
    checks.decide(
      traefikRequest(`${APP}/${i}`, [
        ['x-forwarded-host', `h${i}.example`],
        ['cookie', 'a=1'],
      ]),
    ),
  'a URL that cannot be read': ({ checks }, i) =>
    checks.decide(
      requestOf([
        ['host', 'whoami.company.tld'],
        ['x-original-uri', `no path ${i}`],
      ]),
      DIALECTS.nginx,
    ),
  // For a page there is one more line, which the page names.
  'sessions while the store is down': (world) => {
    world.checks.store.down = true;
    return world.checks.decide(
      traefikRequest(`${APP}/`, [
        ['cookie', ticket(world)],
        ['sec-fetch-mode', 'cors'],
      ]),
    );
  },
  'records that are damaged': async ({ checks, application }) => {
    const cookie = await checks.signIn(application, { groups: ['staff'] });
    for (const [key, entry] of checks.store.entries)
      checks.store.entries.set(key, { ...entry, value: entry.value.subarray(0, 9) });
    return checks.decide(
      traefikRequest(`${APP}/`, [['cookie', `${application.cookieName}=${cookie}`]]),
      undefined,
      checks.elsewhere,
    );
  },
  'attributes that are no header': ({ checks, application }, i) =>
    checks.signIn(application, {
      groups: ['staff'],
      ak_proxy: { user_attributes: { additionalHeaders: { [`X-H${i}`]: 'a\nb' } } },
    }),
  'users with too many groups': ({ checks, application }, i) =>
    checks.signIn(application, { preferred_username: `u${i}`, groups: ['staff', 'g'.repeat(20_000)] }),
  'callbacks of no attempt': (world, i) =>
    world.step(callback, stepRequest(`${APP}/akprox/callback?state=${i}&code=x`)),
  'callbacks that make no sense': (world, i) => world.step(callback, stepRequest(`${APP}/akprox/callback?code=${i}`)),
  'callbacks whose code is refused': (world, i) => {
    world.idp.set('/token', () => Response.json({ error: 'invalid_grant' }, { status: 400 }));
    return callBack(world, `code=${i}`);
  },
  'callbacks while the token endpoint is down': (world, i) => callBack(world, `code=${i}`),
  'callbacks that were denied': (world, i) => callBack(world, `error=access_denied&error_description=${i}`),
  'callbacks with an error and no login': (world, i) =>
    world.step(callback, stepRequest(`${APP}/akprox/callback?error=invalid_request&error_description=DPoP+${i}`)),
  'callbacks with an error that nobody knows': (world, i) => callBack(world, `error=made_up_${i}`),
  'logins while the provider is down': (world, i) => {
    world.idp.clear();
    return world.step(start, stepRequest(`${APP}/akprox/start?rd=/${i}`));
  },
  'logins that lead to our own callback': (world, i) =>
    world.step(start, stepRequest(`${APP}/akprox/start?rd=${APP}/akprox/callback?code=${i}&state=s`)),
  'credentials while the provider is down': (world, i) =>
    world.credentials.verify(world.application, `Bearer token${i}`),
  'passwords while the provider is down': (world, i) =>
    world.credentials.verify(world.application, `Basic ${Buffer.from(`u${i}:p`).toString('base64')}`),
  'logout tokens that are none': (world, i) =>
    backchannelLogout(
      world.steps,
      stepRequest(`${APP}/akprox/backchannel_logout`).withTarget('POST', '/', ''),
      world.application,
      `logout_token=${i}.x.y`,
    ),
  'logout tokens that are good': async (world, i) =>
    backchannelLogout(
      world.steps,
      stepRequest(`${APP}/akprox/backchannel_logout`).withTarget('POST', '/', ''),
      world.application,
      `logout_token=${await logoutToken(world, i)}`,
    ),
  'sign-outs while the provider is down': (world) => {
    world.idp.clear();
    return world.step(signOut, stepRequest(`${APP}/akprox/sign_out`, [ticket(world)]));
  },
  'sign-outs while the store cannot delete': (world) => {
    world.checks.store.down = true;
    return world.step(signOut, stepRequest(`${APP}/akprox/sign_out`, [ticket(world)]));
  },
  'front-channel logouts by another issuer': (world, i) =>
    world.step(frontchannelLogout, stepRequest(`${APP}/akprox/frontchannel_logout?iss=${i}&sid=${i}`)),
  'front-channel logouts while the store is down': (world, i) => {
    world.checks.store.down = true;
    const iss = encodeURIComponent(world.application.config.oidc.issuer);
    return world.step(frontchannelLogout, stepRequest(`${APP}/akprox/frontchannel_logout?iss=${iss}&sid=${i}`));
  },
  'userinfo while the store is down': (world) => {
    world.checks.store.down = true;
    return world.step(userinfo, stepRequest(`${APP}/akprox/userinfo`, [ticket(world)]));
  },
  'steps with a fault of ours': (world, i) =>
    world.step(() => Promise.reject(new Error(`fault ${i}`)), stepRequest(`${APP}/akprox/userinfo`)),
  'sessions that the provider has ended': (world) => renew(world),
  'sessions that the provider does not renew': (world) => {
    world.redeem = async () => ({ kind: 'fault', error: new AkproxError('idp_unreachable', 'down') });
    return renew(world);
  },
  'sessions that cannot be renewed in time': (world) => {
    const { time } = world.checks.clock;
    return renew(world, { expiresAt: time - 1, endsAt: time + 10_000, failedAt: time });
  },
  'renewals that the store does not take': (world) => {
    world.checks.store.leases.acquire = () => Promise.reject(new Error('down'));
    return renew(world);
  },
};

describe(`${REQUESTS} requests of a kind write at most ${HANDFUL} lines, and the next one tells of the rest`, () => {
  for (const [kind, request] of Object.entries(KINDS)) {
    it(kind, async () => {
      const lines: Record<string, unknown>[] = [];
      const world = createWorld((line) => lines.push(line));
      /** Of each text: a request may cause more than one. */
      const told = (): number[] => {
        const sums = new Map<unknown, number>();
        for (const { msg, held } of lines) sums.set(msg, (sums.get(msg) ?? 0) + 1 + Number(held));
        return [...sums.values()];
      };
      for (let i = 0; i < REQUESTS; i += 1) await request(world, i);
      assert.ok(lines.length >= 1 && lines.length <= HANDFUL, `${lines.length}: ${JSON.stringify(lines.slice(0, 7))}`);
      world.checks.clock.time += 60_001;
      await request(world, REQUESTS);
      assert.ok(
        told().every((sum) => sum === REQUESTS + 1),
        `${told()}`,
      );
      assert.ok(Number(lines.at(-1)?.['held']) >= REQUESTS - HANDFUL);
    });
  }
});

it("whatever strangers send as logout tokens, the line that tells why the identity provider's own are refused is written", async () => {
  const lines: Record<string, unknown>[] = [];
  const world = createWorld((line) => lines.push(line));
  const send = (token: string): Promise<unknown> =>
    backchannelLogout(
      world.steps,
      stepRequest(`${APP}/akprox/backchannel_logout`).withTarget('POST', '/', ''),
      world.application,
      `logout_token=${token}`,
    );
  const [, payload, signature] = (await logoutToken(world, 0)).split('.');
  const head = (header: object): string => Buffer.from(JSON.stringify(header)).toString('base64url');
  for (const token of [
    '',
    'x',
    'x.y.z',
    `${head({ alg: 'none' })}.${payload}.`,
    `${head({ alg: 'HS256' })}.${payload}.`,
  ])
    await send(token);
  await send(`${head({ alg: 'RS256' })}.${payload}.${signature}`);
  await send(`${head({ alg: 'HS256' })}.${payload}.${signature}`);
  await send(await logoutToken(world, 1, 'another client'));
  assert.ok(
    lines.some(({ reason }) => reason === 'aud'),
    JSON.stringify(lines),
  );
});
