// Micro benches: what each step of a check costs, in ns, so that a regression can be found. `node --import tsx bench/steps.ts`;
// a word after it chooses the steps that have it in their name.
// Headers come from a fake request: reading them from uWebSockets.js, and the kernel's share, are in none of these figures.
import { createHmac, hash, randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { pino } from 'pino';
import { ApplicationTable, TICKET_ID_LENGTH } from '../src/application/application.js';
import { readClaims } from '../src/application/claims.js';
import { NO_TOKENS, renderIdentity } from '../src/application/identity.js';
import { inBandStep } from '../src/application/own-paths.js';
import { type CheckContext, check } from '../src/http/check.js';
import { checkSlowly } from '../src/http/check-slow.js';
import { CheckState } from '../src/http/check-state.js';
import { findCookie, findTickets } from '../src/http/cookies.js';
import { type Allow, type Decision, render } from '../src/http/decision.js';
import { DIALECTS } from '../src/http/dialects.js';
import type { HeaderSource } from '../src/http/exchange.js';
import { Snapshot } from '../src/http/exchange.js';
import { isNavigation } from '../src/http/fetch-metadata.js';
import { COOKIE } from '../src/http/header-names.js';
import { HmacSha256 } from '../src/infra/hmac.js';
import { openRecord, sealRecord } from '../src/session/record.js';
import type { Session } from '../src/session/session.js';
import { recordKey } from '../src/session/session-keys.js';
import { Sessions, type SessionsOptions } from '../src/session/sessions.js';
import { issueTicket, verifyTicket } from '../src/session/ticket.js';
import { makeApplication } from '../test/kit/application.js';
import { pageContext } from '../test/kit/checks.js';
import { MemoryStore } from '../test/kit/memory-store.js';
import { ACCOUNTS, APP } from '../test/kit/world.js';
import { median } from './percentiles.js';
import { SCENARIOS } from './scenarios.js';

/** A request with these headers, found by name in a Map. */
function fakeRequest(headers: Readonly<Record<string, string>>): HeaderSource {
  const byName = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    get: ({ text }) => byName.get(text) ?? '',
    getHeader: (name) => byName.get(name) ?? '',
    forEach: (visit) => {
      for (const [name, value] of byName) visit(name, value);
    },
    getMethod: () => 'get',
    getUrl: () => '/akprox/auth/traefik',
    getQuery: () => undefined,
  };
}

const application = makeApplication({ external_host: APP });
const others = Array.from({ length: 999 }, (_, i) =>
  makeApplication({ name: `app${i}`, external_host: `https://app${i}.company.tld` }),
);
const now = Date.now();
const sessionsOptions: SessionsOptions = {
  store: new MemoryStore(() => now),
  channel: { publish: () => {}, subscribe: () => {} },
  cache: { max_bytes: 268_435_456, max_age: 3_600_000, stale_max: 3_600_000 },
  now: () => now,
  monotonic: () => now,
  random: () => 0,
  log: pino({ level: 'silent' }),
};
const sessions = new Sessions(sessionsOptions);
const claims = readClaims({ sub: 'alice', ...ACCOUNTS.alice });
const session: Session = {
  provider: application.id,
  claims,
  createdAt: now,
  renewedAt: now,
  expiresAt: now + 86_400_000,
  idToken: '',
  jwt: '',
  refreshToken: null,
  loginState: '',
  loginTarget: '',
};
const newSession = () => sessions.create(application, session);
const cookies: string[] = [];
for (let i = 0; i < 50_000; i += 1) cookies.push(await newSession());
const cookie = cookies[25_000] ?? '';

const unused = (): never => {
  throw new Error('not part of these checks');
};
const context: CheckContext = {
  applications: new ApplicationTable([application, ...others]),
  sessions,
  clock: { time: now },
  state: new CheckState(),
  inBand: unused,
  headerAuth: unused,
  log: pino({ level: 'silent' }),
  logChecks: 'none',
  logAudit: 'subject',
  watchesHits: false,
  ...pageContext(() => now),
};
const noPeer = (): string => '';
const dialect = DIALECTS.traefik;
const requests = new Map(
  SCENARIOS.map(({ name, headers }) => [name, fakeRequest(headers(`${application.cookieName}=${cookie}`))]),
);
const requestOf = (name: string): HeaderSource => requests.get(name) ?? unused();
const signedIn = requestOf('signed-in');
const noCookie = requestOf('no-cookie');
const forged = requestOf('forged');
const unknown = requestOf('unknown');
const header = signedIn.getHeader('cookie');
const forgedCookie = findCookie(forged.getHeader('cookie'), application.cookieNeedle);
const url = dialect.forwardUrl(noCookie, application) ?? unused();
const challenge = decidedNow(noCookie);
const named = new Set(dialect.single.map(({ text }) => text));
let seen = 0;
const visit = (name: string): void => {
  if (named.has(name)) seen += 1;
};
function walk(req: HeaderSource): number {
  req.forEach(visit);
  return seen;
}
let turn = 0;
/** A cookie far from the last one, so that no cache line is warm by accident. */
function nextCookie(): string {
  turn = (turn + 7_919) % cookies.length;
  return cookies[turn] ?? '';
}

if (check(context, dialect, signedIn).kind !== 'allow') throw new Error('the signed-in check does not allow');
if (challenge.kind !== 'challenge' || decidedNow(forged).kind !== 'challenge') throw new Error('no challenge');

function slowly(req: HeaderSource, at = context): Decision | Promise<Decision> {
  const found = check(at, dialect, req);
  return found.kind === 'allow' ? found : checkSlowly(at, dialect, req, noPeer, found);
}

function decidedNow(req: HeaderSource): Decision {
  const decision = slowly(req);
  if (decision instanceof Promise) throw new Error('a challenge that makes a promise');
  return decision;
}

/** With room for some forty sessions: whoever asks in turn is not in it. */
const crowded: CheckContext = {
  ...context,
  sessions: new Sessions({ ...sessionsOptions, cache: { ...sessionsOptions.cache, max_bytes: 65_536 } }),
};
let sent = '';
const notCached: HeaderSource = {
  ...signedIn,
  get: (name) => (name === COOKIE ? sent : signedIn.get(name)),
  forEach(visit) {
    signedIn.forEach((name, value) => {
      visit(name, name === COOKIE.text ? sent : value);
    });
  },
};
function askNextCookie(): Decision | Promise<Decision> {
  sent = `theme=dark; ${application.cookieName}=${nextCookie()}`;
  return slowly(notCached, crowded);
}
const stored = verifyTicket(application, cookie) ?? unused();
const record = sealRecord(application, stored, session);

const macKey = randomBytes(32);
const macs = new HmacSha256(macKey, TICKET_ID_LENGTH);
const id = cookie.slice(0, TICKET_ID_LENGTH);

const STEPS: readonly (readonly [string, (() => unknown) | (() => Promise<unknown>)])[] = [
  ['dialect read: host and uri', () => dialect.host(signedIn).length + dialect.uri(signedIn).length],
  ['provider lookup, 1 000 providers', () => context.applications.find('whoami.localhost:8080')],
  ['cookie scan', () => findCookie(header, application.cookieNeedle)],
  ['cache peek, one of 50 000', () => sessions.peek(nextCookie(), application, now)],
  ['check(), signed in', () => check(context, dialect, signedIn)],
  ['check(), no cookie (undecided)', () => check(context, dialect, noCookie)],
  ['header walk, a Set lookup for each', () => walk(noCookie)],
  ['Snapshot.of the request', () => Snapshot.of(noCookie, '')],
  ['forward URL', () => dialect.forwardUrl(noCookie, application)],
  ['in-band step?', () => inBandStep(url.path, url.query)],
  ['encodeURIComponent of the forward URL', () => encodeURIComponent(url.href)],
  ['navigation?', () => isNavigation(dialect.method(noCookie), noCookie)],
  ['render(): the challenge as a reply', () => render(challenge as Exclude<Decision, Allow>, dialect)],
  ['both halves, no cookie', () => slowly(noCookie)],
  ['find tickets in one header', () => findTickets([header], application.cookieNeedle)],
  ['verify ticket, ours', () => verifyTicket(application, cookie)],
  ['verify ticket, forged', () => verifyTicket(application, forgedCookie)],
  ['MAC of a ticket, ours', () => macs.mac(id)],
  ['MAC of a ticket, createHmac', () => createHmac('sha256', macKey).update(id).digest('base64url')],
  ['MAC, for comparison: one hash of it', () => hash('sha256', id, 'base64url')],
  ['key of a session, from its id', () => recordKey(application, id)],
  ['issue ticket', () => issueTicket(application)],
  ['both halves, forged cookie', () => slowly(forged)],
  ['both halves, ended session (promise)', () => slowly(unknown)],
  ['both halves, not cached (promise)', askNextCookie],
  ['a record opened: its headers', () => openRecord(application, stored, record)?.rendered(application, now)],
  ['a record opened: its session', () => openRecord(application, stored, record)?.session(application)],
  ['render identity', () => renderIdentity(application.identity, claims, NO_TOKENS)],
];

/** Short ones, many of them: beside others on the machine the least is what can be compared. */
const BATCH_NS = 2_000_000;
const BATCHES = 150;

/** Of ns per call over the batches: the median and the least. */
async function time(step: () => unknown): Promise<{ middle: number; least: number }> {
  let calls = 64;
  const batch = async (): Promise<number> => {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < calls; i += 1) {
      const value = step();
      if (value instanceof Promise) await value;
      else kept = value;
    }
    return Number(process.hrtime.bigint() - begin);
  };
  while ((await batch()) < BATCH_NS) calls *= 2;
  const costs: number[] = [];
  for (let i = 0; i < BATCHES; i += 1) costs.push((await batch()) / calls);
  return { middle: median(costs), least: Math.min(...costs) };
}

/** Results end up here, so that no step is optimised away. */
let kept: unknown;

const chosen = process.argv[2] ?? '';
for (const [name, step] of STEPS.filter(([name]) => name.includes(chosen))) {
  const { middle, least } = await time(step);
  process.stdout.write(
    `${name.padEnd(42)} ${middle.toFixed(0).padStart(7)} ns  least ${least.toFixed(0).padStart(7)}\n`,
  );
}
process.stdout.write(`Node ${process.version}, ${cpus()[0]?.model}, medians of ${BATCHES} batches\n`);
if (kept === undefined) process.exitCode = 1;
