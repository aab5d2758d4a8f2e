// Checks in process: a context around real sessions on a memory store, and requests without a socket.
import { pino } from 'pino';
import { type Application, ApplicationTable } from '../../src/application/application.js';
import { readClaims } from '../../src/application/claims.js';
import { type CheckContext, check } from '../../src/http/check.js';
import { checkSlowly } from '../../src/http/check-slow.js';
import { CheckState } from '../../src/http/check-state.js';
import type { Decision } from '../../src/http/decision.js';
import { DIALECTS, type Dialect } from '../../src/http/dialects.js';
import { EndedLogins } from '../../src/http/ended-logins.js';
import { type HeaderSource, type Reply, Snapshot } from '../../src/http/exchange.js';
import type { StepContext } from '../../src/http/steps.js';
import { createTrustedProxies } from '../../src/http/trusted-proxies.js';
import type { GatedLog } from '../../src/infra/log-gate.js';
import { References } from '../../src/infra/references.js';
import type { OidcClient } from '../../src/oidc/client.js';
import { NO_AUDIT } from '../../src/session/audit.js';
import type { Session } from '../../src/session/session.js';
import { Sessions, type SessionsOptions } from '../../src/session/sessions.js';
import { MemoryStore } from './memory-store.js';

const SILENT: GatedLog = pino({ level: 'silent' });
const unused = (): never => {
  throw new Error('not part of these checks');
};

export interface Checks {
  /** Both clocks in one: Unix milliseconds and monotonic ones. */
  readonly clock: { time: number };
  readonly store: MemoryStore;
  readonly sessions: Sessions;
  readonly context: CheckContext;
  /** Another worker on the same store, with an empty cache. */
  readonly elsewhere: CheckContext;
  /** Both halves of the check, as a listener runs them. */
  decide(req: HeaderSource, dialect?: Dialect, context?: CheckContext): Promise<Decision>;
  /** A session in the store; its cookie value. */
  signIn(application: Application, claims?: Record<string, unknown>, session?: Partial<Session>): Promise<string>;
}

export function createChecks(
  applications: readonly Application[],
  overrides: Partial<CheckContext> = {},
  sessionOptions: Partial<SessionsOptions> = {},
): Checks {
  const clock = { time: 1_000_000 };
  const store = new MemoryStore(() => clock.time);
  const log = overrides.log ?? SILENT;
  const worker = (): Sessions =>
    new Sessions({
      store,
      channel: { publish: () => {}, subscribe: () => {} },
      cache: { max_bytes: 50_000_000, max_age: 60_000, stale_max: 300_000 },
      now: () => clock.time,
      monotonic: () => clock.time,
      random: () => 0,
      log,
      ...sessionOptions,
    });
  const contextOf = (sessions: Sessions): CheckContext => ({
    applications: new ApplicationTable(applications),
    sessions,
    clock,
    state: new CheckState(),
    inBand: unused,
    headerAuth: unused,
    log,
    logChecks: 'none',
    logAudit: 'subject',
    watchesHits: false,
    ...pageContext(() => clock.time, log),
    ...overrides,
  });
  const sessions = worker();
  const context = contextOf(sessions);
  return {
    clock,
    store,
    sessions,
    context,
    elsewhere: contextOf(worker()),
    async decide(req, dialect = DIALECTS.traefik, in_ = context) {
      const found = check(in_, dialect, req);
      return found.kind === 'allow' ? found : checkSlowly(in_, dialect, req, () => '127.0.0.1', found);
    },
    signIn: (application, claims = {}, session = {}) =>
      sessions.create(application, {
        provider: application.id,
        claims: readClaims({ sub: 'alice', preferred_username: 'alice', ...claims }),
        createdAt: clock.time,
        renewedAt: clock.time,
        expiresAt: clock.time + 3_600_000,
        idToken: 'id-token',
        jwt: '',
        refreshToken: null,
        loginState: '',
        loginTarget: '',
        ...session,
      }),
  };
}

/** A request without a socket; names in lower case, in the order in which they came. */
export function requestOf(
  headers: readonly (readonly [string, string])[],
  line: { readonly method?: string; readonly path?: string; readonly query?: string } = {},
): HeaderSource {
  const getHeader = (name: string): string => headers.find(([key]) => key === name)?.[1] ?? '';
  return {
    get: ({ text }) => getHeader(text),
    getHeader,
    forEach: (visit) => {
      for (const [name, value] of headers) visit(name, value);
    },
    getMethod: () => line.method ?? 'GET',
    getUrl: () => line.path ?? '/akprox/auth/traefik',
    getQuery: () => line.query,
  };
}

/** As Traefik asks, for a page. */
export function traefikRequest(url: string, headers: readonly (readonly [string, string])[] = []): HeaderSource {
  const { protocol, host, pathname, search } = new URL(url);
  return requestOf([
    ['x-forwarded-proto', protocol.slice(0, -1)],
    ['x-forwarded-host', host],
    ['x-forwarded-uri', pathname + search],
    ['x-forwarded-method', 'GET'],
    ...headers,
  ]);
}

/** What pages and the log need; random bytes that are all the same. */
export function pageContext(now: () => number, log: GatedLog = SILENT) {
  const references = new References(log, (count) => new Uint8Array(count));
  return {
    look: { logo: '', name: '', help_url: '' },
    now,
    references,
    trustedProxies: createTrustedProxies(['127.0.0.0/8']),
    audit: NO_AUDIT,
    tracing: null,
  };
}

export interface Logins {
  readonly context: StepContext;
  readonly counted: string[];
}

/** What the steps of a login get, on the sessions of these checks. */
export function createLogins(checks: Checks, client: OidcClient, log: GatedLog = SILENT): Logins {
  const counted: string[] = [];
  const context: StepContext = {
    sessions: checks.sessions,
    oidc: () => client,
    ...pageContext(() => checks.clock.time, log),
    publicKeys: async () => [],
    endedLogins: new EndedLogins(),
    log,
    countLogin: (_, result) => counted.push(result),
  };
  return { context, counted };
}

/** A request for one of our own paths, with the cookies of a browser. */
export function stepRequest(
  url: string,
  cookies: readonly string[] = [],
  more: readonly (readonly [string, string])[] = [],
): Snapshot {
  const { host, pathname, search } = new URL(url);
  const headers: (readonly [string, string])[] = [['host', host], ...more];
  if (cookies.length > 0) headers.push(['cookie', cookies.join('; ')]);
  return Snapshot.of(requestOf(headers, { path: pathname, query: search.slice(1) }), '127.0.0.1');
}

export function headerOf(reply: Reply, name: string): string[] {
  return reply.headers.filter(([key]) => key === name).map(([, value]) => value);
}
