// The check in process, as a table: dialect × who asks × whether the session cache knows them × whether the store answers. Each
// cell has its decision and what the proxy is answered; no cell has a 2xx that is not of kind `allow`.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { pino } from 'pino';
import { CHECK_RESULTS, type CheckResult } from '../../src/application/application.js';
import { readClaims } from '../../src/application/claims.js';
import { NO_TOKENS } from '../../src/application/identity.js';
import { verdictOn } from '../../src/application/verdict.js';
import type { Decision } from '../../src/http/decision.js';
import { DIALECTS, type Dialect } from '../../src/http/dialects.js';
import type { Reply } from '../../src/http/exchange.js';
import { issueTicket, TICKET_LENGTH } from '../../src/session/ticket.js';
import { makeApplication } from '../kit/application.js';
import { type Checks, createChecks, headerOf } from '../kit/checks.js';
import { answerTo, type Browser, proxyAsks } from '../kit/proxy-asks.js';

const APP = 'https://whoami.company.tld';
const PAGE = `${APP}/wiki/page?a=1&b=2`;
const LOGIN = `${APP}/akprox/start`;
const SILENT = pino({ level: 'silent' });
const STAFF = { groups: ['staff'], email: 'alice@company.tld' };
const GUEST = { groups: ['guests'] };
const CROWDED = { groups: ['staff', 'g'.repeat(20_000)] };
const SCRIPT: readonly [string, string] = ['sec-fetch-mode', 'cors'];

const application = makeApplication({
  access: { groups: ['staff'] },
  skip_path_regex: ['^/public/'],
  intercept_header_auth: true,
  allow_preflight: true,
});
const other = makeApplication({ name: 'other' });

interface Cell {
  readonly dialect: Dialect;
  readonly checks: Checks;
}

interface State {
  readonly cached: boolean;
  readonly store: 'up' | 'down';
}
const STATES: readonly State[] = [
  { cached: true, store: 'up' },
  { cached: true, store: 'down' },
  { cached: false, store: 'up' },
  { cached: false, store: 'down' },
];

/** A line of the table. */
interface Row {
  /** What the browser asks for. */
  readonly url?: string;
  readonly method?: string;
  readonly headers?: Browser['headers'];
  /** Value of the session cookie, in the store when it has to be. */
  readonly cookie?: (cell: Cell) => Promise<string>;
  readonly outcome: OutcomeName | ((state: State, dialect: Dialect) => OutcomeName);
  /** The store is asked when the cache knows nothing. */
  readonly asksStore?: true;
}

type OutcomeName = keyof typeof OUTCOMES;

/** What an outcome looks like: to a proxy that relays answers, and to nginx. */
interface Outcome {
  readonly kind: Decision['kind'];
  readonly counted: CheckResult;
  readonly relayed: Expected;
  readonly nginx: Expected;
}

interface Expected {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: RegExp | '';
}

const NGINX_CHALLENGE: Expected = { status: 401, headers: { Location: loginFor(PAGE) }, body: '' };
const UNAVAILABLE = { status: 503, headers: { 'Retry-After': '2' } };
const IDENTITY = {
  'Cache-Control': 'no-store',
  'X-Auth-Username': 'alice',
  'X-Auth-Groups': 'staff',
  'X-Forwarded-Email': 'alice@company.tld',
  'X-authentik-username': 'alice',
  'X-authentik-uid': 'alice',
};
const NOBODY = { 'X-Auth-Username': '', 'X-Auth-Groups': '', 'X-Forwarded-Email': '', 'X-authentik-username': '' };

const OUTCOMES = {
  allowed: both('allow', 'allowed', { status: 200, headers: IDENTITY, body: '' }),
  anonymous: both('allow', 'anonymous', { status: 200, headers: NOBODY, body: '' }),
  'challenged page': {
    kind: 'challenge',
    counted: 'challenged',
    relayed: { status: 302, headers: { Location: loginFor(PAGE) }, body: '' },
    nginx: NGINX_CHALLENGE,
  },
  'challenged script': {
    kind: 'challenge',
    counted: 'challenged',
    relayed: {
      status: 401,
      body: new RegExp(`^{"error":"login_required","login_url":"${literally(loginFor(PAGE))}"}\n$`),
    },
    nginx: NGINX_CHALLENGE,
  },
  'forbidden page': {
    kind: 'forbidden',
    counted: 'forbidden',
    relayed: { status: 403, headers: { 'Content-Type': 'text/html; charset=utf-8' }, body: /You may not use/ },
    nginx: { status: 403, body: '' },
  },
  'forbidden script': {
    kind: 'forbidden',
    counted: 'forbidden',
    relayed: { status: 403, headers: { 'Content-Type': 'application/json' }, body: /^{"error":"forbidden"/ },
    nginx: { status: 403, body: '' },
  },
  'too large page': {
    kind: 'forbidden',
    counted: 'forbidden',
    relayed: { status: 403, headers: { 'Content-Type': 'text/html; charset=utf-8' }, body: /too many groups/ },
    nginx: { status: 403, body: '' },
  },
  'too large script': {
    kind: 'forbidden',
    counted: 'forbidden',
    relayed: { status: 403, body: /^{"error":"identity_too_large"/ },
    nginx: { status: 403, body: '' },
  },
  'refused bearer': refused('Bearer error="invalid_token"'),
  'refused basic': refused('Basic realm="akprox", charset="UTF-8"'),
  'no store page': {
    kind: 'unavailable',
    counted: 'unavailable',
    relayed: { ...UNAVAILABLE, body: /<dd>store_unavailable<\/dd>/ },
    nginx: { ...UNAVAILABLE, body: /^{"error":"store_unavailable"/ },
  },
  'no store': both('unavailable', 'unavailable', { ...UNAVAILABLE, body: /^{"error":"store_unavailable"/ }),
  'no identity provider': both('unavailable', 'unavailable', { ...UNAVAILABLE, body: /^{"error":"idp_unreachable"/ }),
} as const satisfies Readonly<Record<string, Outcome>>;

function both(kind: Outcome['kind'], counted: CheckResult, expected: Expected): Outcome {
  return { kind, counted, relayed: expected, nginx: expected };
}

function refused(scheme: string): Outcome {
  const headers = { 'WWW-Authenticate': scheme };
  return {
    kind: 'refused',
    counted: 'refused',
    relayed: { status: 401, headers, body: /^{"error":"invalid_credentials"}/ },
    nginx: { status: 401, headers, body: '' },
  };
}

function loginFor(url: string): string {
  return `${LOGIN}?rd=${encodeURIComponent(url)}`;
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

const session =
  (claims: Record<string, unknown>): NonNullable<Row['cookie']> =>
  ({ checks }) =>
    checks.signIn(application, claims);
/** Without the store somebody whom the cache does not know is neither let in nor sent away. */
const unlessUnknown =
  (outcome: OutcomeName) =>
  ({ cached, store }: State): OutcomeName =>
    !cached && store === 'down' ? 'no store' : outcome;
const authorization = (value: string, ...more: (readonly [string, string])[]): NonNullable<Row['headers']> => [
  ['authorization', value],
  ...more,
];

const ROWS: Readonly<Record<string, Row>> = {
  'a stranger, a page': { outcome: 'challenged page' },
  'a stranger, HEAD': { method: 'HEAD', outcome: 'challenged page' },
  'a stranger, a page by name': {
    headers: [
      ['sec-fetch-mode', 'navigate'],
      ['accept', 'text/html'],
    ],
    outcome: 'challenged page',
  },
  'a stranger, a script': { headers: [SCRIPT], outcome: 'challenged script' },
  'a stranger, XMLHttpRequest': { headers: [['x-requested-with', 'XMLHttpRequest']], outcome: 'challenged script' },
  'a stranger, an image': { headers: [['accept', 'image/avif,image/*']], outcome: 'challenged script' },
  'a stranger, POST': { method: 'POST', outcome: 'challenged script' },
  'a stranger with cookies of others': { headers: [['cookie', 'a=1; b=2']], outcome: 'challenged page' },

  'signed in': { cookie: session(STAFF), outcome: unlessUnknown('allowed'), asksStore: true },
  'signed in, a script': {
    cookie: session(STAFF),
    headers: [SCRIPT],
    outcome: unlessUnknown('allowed'),
    asksStore: true,
  },
  'signed in, with credentials that are refused': {
    cookie: session(STAFF),
    headers: authorization('Bearer bad'),
    outcome: unlessUnknown('allowed'),
    asksStore: true,
  },
  'signed in, a public path': {
    url: `${APP}/public/x`,
    cookie: session(STAFF),
    outcome: unlessUnknown('allowed'),
    asksStore: true,
  },
  'a look-alike of a step of ours, signed in': {
    url: `${APP}/akprox/starts`,
    cookie: session(STAFF),
    outcome: unlessUnknown('allowed'),
    asksStore: true,
  },
  'forbidden, a page': { cookie: session(GUEST), outcome: unlessUnknown('forbidden page'), asksStore: true },
  'forbidden, a script': {
    cookie: session(GUEST),
    headers: [SCRIPT],
    outcome: unlessUnknown('forbidden script'),
    asksStore: true,
  },
  'forbidden, with credentials that are good': {
    cookie: session(GUEST),
    headers: authorization('Bearer good'),
    outcome: unlessUnknown('forbidden page'),
    asksStore: true,
  },
  'too large, a page': { cookie: session(CROWDED), outcome: unlessUnknown('too large page'), asksStore: true },
  'too large, a script': {
    cookie: session(CROWDED),
    headers: [SCRIPT],
    outcome: unlessUnknown('too large script'),
    asksStore: true,
  },

  'a forged cookie': { cookie: async () => `${'A'.repeat(43)}.${'A'.repeat(43)}`, outcome: 'challenged page' },
  'a cookie that is cut off': {
    cookie: async (cell) => (await cell.checks.signIn(application, STAFF)).slice(0, -1),
    outcome: 'challenged page',
  },
  'a cookie that is too long': {
    cookie: async (cell) => `${await cell.checks.signIn(application, STAFF)}A`,
    outcome: 'challenged page',
  },
  'a session of another application': {
    cookie: async ({ checks }) => checks.signIn(other, STAFF),
    outcome: 'challenged page',
  },
  'a session that has ended': {
    cookie: async ({ checks, dialect }) => {
      const { cookie } = issueTicket(application);
      // Known to have none, from now on.
      await checks.decide(asks(dialect, { cookie: async () => cookie, outcome: 'allowed' }, cookie), dialect);
      return cookie;
    },
    outcome: unlessUnknown('challenged page'),
    asksStore: true,
  },
  'a session whose token has expired': {
    cookie: async ({ checks }) => {
      const cookie = await checks.signIn(application, STAFF, { expiresAt: checks.clock.time + 10 });
      checks.clock.time += 11;
      return cookie;
    },
    // The cache knows that it has ended, and asks all the same.
    outcome: ({ store }) => (store === 'down' ? 'no store' : 'challenged page'),
    asksStore: true,
  },

  'Bearer, good': { headers: authorization('Bearer good'), outcome: 'allowed' },
  'Bearer, good, of a guest': { headers: authorization('Bearer guest'), outcome: 'forbidden page' },
  'Bearer, good, too large': { headers: authorization('Bearer crowded', SCRIPT), outcome: 'too large script' },
  'Bearer, bad': { headers: authorization('Bearer bad'), outcome: 'refused bearer' },
  'Bearer, no answer': { headers: authorization('Bearer down'), outcome: 'no identity provider' },
  'Basic, good': { headers: authorization('Basic good'), outcome: 'allowed' },
  'Basic, bad': { headers: authorization('bAsIc bad'), outcome: 'refused basic' },
  'another scheme': { headers: authorization('Digest x'), outcome: 'challenged page' },
  'Bearer, good, with a forged cookie': {
    cookie: async () => 'x'.repeat(TICKET_LENGTH),
    headers: authorization('Bearer good'),
    outcome: 'allowed',
  },

  'a public path': { url: `${APP}/public/x`, outcome: 'anonymous' },
  'a public path, a script': { url: `${APP}/public/x`, method: 'POST', headers: [SCRIPT], outcome: 'anonymous' },
  'a public path, a forged cookie': {
    url: `${APP}/public/x`,
    cookie: async () => 'x'.repeat(TICKET_LENGTH),
    outcome: 'anonymous',
  },
  // Whatever the identity provider would say to it: the header is the application's own there.
  ...Object.fromEntries(
    ['Bearer good', 'Bearer guest', 'Bearer bad', 'Bearer down', 'Basic bad', 'Digest x'].map(
      (value): [string, Row] => [
        `a public path, ${value}`,
        { url: `${APP}/public/x`, headers: authorization(value), outcome: 'anonymous' },
      ],
    ),
  ),
  'a public path, Bearer bad, with a session that the cache may not know': {
    url: `${APP}/public/x`,
    cookie: session(STAFF),
    headers: authorization('Bearer bad'),
    outcome: unlessUnknown('allowed'),
    asksStore: true,
  },
  'a preflight': {
    method: 'OPTIONS',
    headers: [['origin', 'https://other.tld'], ['access-control-request-method', 'PUT'], SCRIPT],
    outcome: (_, { name }) => (name === 'nginx' ? 'challenged script' : 'anonymous'),
  },
  'OPTIONS that is no preflight': {
    method: 'OPTIONS',
    headers: [['origin', 'https://other.tld']],
    outcome: 'challenged script',
  },
  'what a preflight has, and is GET': {
    headers: [
      ['origin', 'https://other.tld'],
      ['access-control-request-method', 'PUT'],
    ],
    outcome: 'challenged page',
  },
};

/** By the last word of the credentials; the verdict is the real one. */
const headerAuth: Checks['context']['headerAuth'] = async (application, credentials) => {
  const word = credentials.split(' ')[1];
  const claims = { good: STAFF, guest: GUEST, crowded: CROWDED }[word ?? ''];
  if (claims !== undefined)
    return verdictOn(
      application,
      readClaims({ sub: 'alice', preferred_username: 'alice', ...claims }),
      NO_TOKENS,
      SILENT,
    );
  if (word === 'bad') return { kind: 'refused', reason: 'inactive' };
  return { kind: word === 'down' ? 'unavailable' : 'ignored' };
};

function asks(dialect: Dialect, row: Row, cookie: string | null) {
  const headers = [...(row.headers ?? [])];
  if (cookie !== null) headers.push(['cookie', `theme=dark; ${application.cookieName}=${cookie}; lang=en`]);
  return proxyAsks(dialect, row.url ?? PAGE, { ...(row.method && { method: row.method }), headers });
}

function assertAnswer(reply: Reply, expected: Expected, what: string): void {
  assert.equal(reply.status, expected.status, what);
  for (const [name, value] of Object.entries(expected.headers ?? {}))
    assert.deepEqual(headerOf(reply, name), [value], `${what}: ${name}`);
  if (expected.body === '') assert.equal(reply.body, '', what);
  else assert.match(reply.body, expected.body, what);
  assert.deepEqual(headerOf(reply, 'Cache-Control'), ['no-store'], what);
  assert.deepEqual(headerOf(reply, 'Set-Cookie'), [], what);
}

for (const dialect of Object.values(DIALECTS)) {
  describe(dialect.name, () => {
    for (const [who, row] of Object.entries(ROWS)) {
      it(who, async () => {
        for (const state of STATES) {
          const what = `${state.cached ? 'cached' : 'not cached'}, store ${state.store}`;
          const checks = createChecks([application], { headerAuth });
          const cookie = (await row.cookie?.({ dialect, checks })) ?? null;
          application.checks.fill(0);
          checks.store.down = state.store === 'down';
          checks.store.reads = 0;
          const context = state.cached ? checks.context : checks.elsewhere;
          const decision = await checks.decide(asks(dialect, row, cookie), dialect, context);

          const name = typeof row.outcome === 'string' ? row.outcome : row.outcome(state, dialect);
          const isScript = row.headers?.includes(SCRIPT) === true;
          const outcome: Outcome = OUTCOMES[name === 'no store' && !isScript ? 'no store page' : name];
          assert.equal(decision.kind, outcome.kind, what);
          const reply = answerTo(decision, dialect);
          assertAnswer(reply, dialect.name === 'nginx' ? outcome.nginx : outcome.relayed, what);
          assert.equal(reply.status >= 200 && reply.status < 300, decision.kind === 'allow', what);
          const counts = Object.fromEntries(CHECK_RESULTS.map((result, i) => [result, application.checks[i]]));
          const expected = Object.fromEntries(
            CHECK_RESULTS.map((result) => [result, Number(result === outcome.counted)]),
          );
          assert.deepEqual(counts, expected, what);
          if (row.asksStore === undefined) assert.equal(checks.store.reads, 0, `${what}: the store was asked`);
        }
      });
    }
  });
}
