// THE CHECK. May this request pass, and whose is it? Read it top to bottom.
//
// Deny by default: a 2xx leaves this daemon's check for exactly one reason, a decision of kind `allow`. Nothing here makes
// one except a session that the store vouched for, an allow-listed path, a CORS preflight that the operator lets through,
// and credentials that the identity provider accepted.

import {
  type Application,
  type ApplicationTable,
  CHECK_RESULTS,
  type CheckResult,
  countCheck,
} from '../application/application.js';
import type { ForwardUrl } from '../application/forward-url.js';
import { type InBandStep, inBandStep, mayBeOwnStep } from '../application/own-paths.js';
import type { Verdict } from '../application/verdict.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { CacheEntry } from '../session/cache.js';
import type { Sessions } from '../session/sessions.js';
import { TICKET_LENGTH, type Ticket, verifyTicket } from '../session/ticket.js';
import { type BadHeader, contradicting, DOUBLED, missingOrDoubled, unreadable } from './bad-header.js';
import { findCookie, findTickets } from './cookies.js';
import type { Dialect } from './dialects.js';
import { empty, type HeaderSource, json, type Reply, redirect, Snapshot } from './exchange.js';
import { isNavigation } from './fetch-metadata.js';
import { ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, COOKIE, ORIGIN } from './header-names.js';
import { forbiddenPage, tooLargePage } from './pages.js';
import { VisitedHeaders } from './visited-headers.js';

export interface CheckContext {
  /** Replaced as a whole when the configuration changes. */
  readonly applications: ApplicationTable;
  readonly sessions: Sessions;
  /** Monotonic milliseconds, a few old: reading a clock costs as much as looking up a session. */
  readonly clock: { readonly time: number };
  /** Handlers that answer for the browser when the forward URL is one of ours (contract §1, in-band). */
  readonly inBand: (step: InBandStep, request: Snapshot, application: Application) => Promise<Reply>;
  readonly headerAuth: (application: Application, authorization: string) => Promise<HeaderAuthVerdict>;
  readonly log: GatedLog;
  /** A proxy that does not send what it must; told to authentik, if there is one. */
  readonly misconfigured?: (message: string, provider: string, req: HeaderSource, peer: string) => void;
  readonly logChecks: 'none' | 'denied' | 'all';
}

/** `ignored`: there was nothing to verify. */
export type HeaderAuthVerdict = Verdict | { readonly kind: 'refused' | 'unavailable' | 'ignored' };

/** Signed in, and may not pass all the same. */
export type Barred = Exclude<Verdict['kind'], 'allow'>;

export interface Allow {
  readonly kind: 'allow';
  readonly application: Application;
  /** Rendered identity headers, complete. */
  readonly block: ArrayBuffer;
}

export interface Undecided {
  readonly kind: 'undecided';
  /** Whether the first session cookie was looked for in the cache in vain. */
  readonly notCached: boolean;
}

export type Decision =
  | Allow
  | Undecided
  | { readonly kind: 'challenge'; readonly loginUrl: string; readonly navigation: boolean }
  | {
      readonly kind: 'forbidden';
      readonly why: Barred;
      readonly application: Application;
      readonly navigation: boolean;
    }
  | { readonly kind: 'refused'; readonly scheme: 'basic' | 'bearer' }
  | { readonly kind: 'unavailable'; readonly what: 'store' | 'idp' }
  | { readonly kind: 'no_app'; readonly host: string; readonly readFrom: string; readonly dialect: string }
  | ({ readonly kind: 'invalid' } & BadHeader)
  | { readonly kind: 'in_band'; readonly reply: Reply };

const UNDECIDED: Undecided = { kind: 'undecided', notCached: false };
const NOT_CACHED: Undecided = { kind: 'undecided', notCached: true };
const REFUSED_BASIC: Decision = { kind: 'refused', scheme: 'basic' };
const REFUSED_BEARER: Decision = { kind: 'refused', scheme: 'bearer' };
const STORE_UNAVAILABLE: Decision = { kind: 'unavailable', what: 'store' };
const IDP_UNAVAILABLE: Decision = { kind: 'unavailable', what: 'idp' };

/**
 * Headers that come twice: a proxy that appends to X-Forwarded-Host instead of setting it lets clients choose the host.
 * uWebSockets.js shows the first of several, and to look for a second is to visit every header, which costs more than all the
 * steps above. So every check below the line is looked at, and of the hits above it and of strangers one in this many; after a find (see
 * `invalid`) every one for a minute.
 */
const CHECKS_PER_LOOK = 32;
const LOOK_AT_ALL_FOR = 60_000;
let checksUntilLook = CHECKS_PER_LOOK;
let lookAtAllUntil = 0;

function looksAtAll(context: CheckContext): boolean {
  checksUntilLook -= 1;
  if (checksUntilLook > 0 && context.clock.time >= lookAtAllUntil) return false;
  checksUntilLook = CHECKS_PER_LOOK;
  return true;
}

/** Used again by each check that reads more than the hit does; a check is done with it before the next one begins. */
const visited = new VisitedHeaders();

/**
 * HOT PATH. The whole check for somebody who is signed in; `undecided` for everybody else. It must not await, build a URL,
 * make an object or a closure, or log. `req` is only read, so that the caller can go on with `checkSlowly`.
 */
export function check(context: CheckContext, dialect: Dialect, req: HeaderSource): Decision {
  // 1. What was asked for, by the headers of this dialect only.
  const host = dialect.host(req);

  // 2. Whose host is it?
  const application = context.applications.find(host);
  if (application === undefined) return UNDECIDED;

  // 3. nginx: does a header that the client may have sent contradict the one that nginx sends?
  if (!dialect.agrees(req, application, context.applications)) return UNDECIDED;

  // 4. Is it one of our own steps, asked for through the proxy? (Also: a proxy that does not say what was asked for.)
  if (dialect.relaysAnswers) {
    const uri = dialect.uri(req);
    if (uri === '' || mayBeOwnStep(uri)) return UNDECIDED;
  }

  // 5. The session cookie.
  const cookie = findCookie(req.get(COOKIE), application.cookieNeedle);
  if (cookie.length !== TICKET_LENGTH) return UNDECIDED;

  // 6. The session. The access rule was applied when it was loaded, and its identity headers were rendered then.
  const entry = context.sessions.peek(cookie, application, context.clock.time);
  if (entry === undefined) return NOT_CACHED;
  if (entry.kind !== 'allow') return UNDECIDED;

  // 7. Now and then: is the host that we decided for really the one that the proxy set?
  if (looksAtAll(context) && missingOrDoubled(dialect, visited.visit(req)) !== null) return UNDECIDED;

  application.checks[ALLOWED] = (application.checks[ALLOWED] as number) + 1;
  return entry as CacheEntry & Allow;
}

const ALLOWED = CHECK_RESULTS.indexOf('allowed');

// ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
// Above: synchronous, on every request. Below: the same decision for everybody else, and it may be slow.

/**
 * Decides without a cached session. Synchronous unless the store, the IdP or a step of a login has to be asked. `notCached`: as
 * `check` found.
 */
export function checkSlowly(
  context: CheckContext,
  dialect: Dialect,
  source: HeaderSource,
  peer: () => string,
  notCached = false,
): Decision | Promise<Decision> {
  const stranger = challengeStranger(context, dialect, source);
  if (stranger !== null) return stranger;

  const req = visited.visit(source);
  const bad = missingOrDoubled(dialect, req);
  if (bad !== null) return invalid(context, dialect, req, peer, null, bad);

  const host = dialect.host(req);
  if (host === '') return invalid(context, dialect, req, peer, null, unreadable(dialect, req));
  const application = context.applications.find(host);
  if (application === undefined) return noApp(context, dialect, req, host);

  if (!dialect.agrees(req, application, context.applications)) {
    return invalid(context, dialect, req, peer, application, contradicting(dialect));
  }
  const url = dialect.forwardUrl(req, application);
  if (url === null) return invalid(context, dialect, req, peer, application, unreadable(dialect, req));

  if (dialect.relaysAnswers) {
    const step = inBandStep(url.path, url.query);
    if (step !== null) return runInBand(context, dialect, step, url, Snapshot.of(req, peer()), application);
  }

  // Whatever else came under our name, a cookie that is known to be good is enough. All of them are looked up: that costs
  // less than to read them from the wire did.
  const unknown: string[] = [];
  let known: Barred | null = null;
  let peeked = notCached;
  for (const cookie of findTickets(req.cookieHeaders(), application.cookieNeedle)) {
    const entry = peeked ? undefined : context.sessions.peek(cookie, application, context.clock.time);
    peeked = false;
    if (entry === undefined) unknown.push(cookie);
    else if (entry.kind === 'allow')
      return count(application, 'allowed', { kind: 'allow', application, block: entry.block });
    else if (entry.kind !== 'none') known ??= entry.kind;
  }
  // A forged cookie ends here, and so does one of a session that is known to have ended: no store call, no promise.
  const asked = verified(application, unknown);
  if (asked.length === 0) {
    if (known !== null) return forbid(application, dialect, req, known);
    if (req.get(AUTHORIZATION) === '') return decideForNobody(application, dialect, req, url);
  }
  return decideWithStore(context, dialect, Snapshot.of(req, peer()), application, url, asked, known);
}

/**
 * The cookies whose MAC is ours. To compute one is what a forged cookie costs, so it is counted; a browser sends at most some 180
 * cookies to a site, whoever planted them. Behind it nothing need be counted: each of these was a session once, and one that has
 * ended is remembered as such.
 */
function verified(application: Application, cookies: readonly string[]): Presented[] {
  const own: Presented[] = [];
  for (let i = 0; i < cookies.length && i < MOST_VERIFIED; i += 1) {
    const cookie = cookies[i] as string;
    const ticket = verifyTicket(application, cookie);
    if (ticket !== null) own.push({ cookie, ticket });
  }
  return own;
}

const MOST_VERIFIED = 256;

/**
 * Somebody who brings nothing asks for what is not public: whatever else the request says, the answer is a challenge. So not
 * every header is visited, except now and then, to find a proxy that is set up wrongly. Null: it is not so simple.
 */
function challengeStranger(context: CheckContext, dialect: Dialect, req: HeaderSource): Decision | null {
  if (req.get(COOKIE) !== '' || req.get(AUTHORIZATION) !== '') return null;
  const application = context.applications.find(dialect.host(req));
  if (application === undefined || looksAtAll(context)) return null;
  if (!dialect.agrees(req, application, context.applications)) return null;
  if (dialect.tellsMethod && dialect.method(req) === '') return null;
  const url = dialect.forwardUrl(req, application);
  if (url === null || (dialect.relaysAnswers && inBandStep(url.path, url.query) !== null)) return null;
  if (isPublic(application, dialect, req, url)) return null;
  return challenge(application, dialect, req, url);
}

/** `known`: what another of the cookies is known to be, if it is a session that may not pass. */
async function decideWithStore(
  context: CheckContext,
  dialect: Dialect,
  request: Snapshot,
  application: Application,
  url: ForwardUrl,
  asked: readonly Presented[],
  known: Barred | null,
): Promise<Decision> {
  // All at once: what was planted in front costs no time, and an outage is waited for once.
  const reads = asked.map(
    ({ cookie, ticket }) =>
      context.sessions.peek(cookie, application, context.clock.time) ??
      context.sessions.resolve(cookie, application, ticket),
  );
  let unavailable = false;
  let barred = known;
  for (const read of reads) {
    const resolution = await read;
    if (resolution.kind === 'allow')
      return count(application, 'allowed', { kind: 'allow', application, block: resolution.block });
    if (resolution.kind === 'unavailable') unavailable = true;
    else if (resolution.kind !== 'none') barred ??= resolution.kind;
  }
  // An outage logs nobody out: no redirect, no cleared cookie.
  if (unavailable) return count(application, 'unavailable', STORE_UNAVAILABLE);
  if (barred !== null) return forbid(application, dialect, request, barred);

  const authorization = request.get(AUTHORIZATION);
  if (authorization !== '' && application.config.intercept_header_auth) {
    const verdict = await context.headerAuth(application, authorization);
    if (verdict.kind === 'allow')
      return count(application, 'allowed', { kind: 'allow', application, block: verdict.block });
    if (verdict.kind === 'refused') {
      return count(application, 'refused', /^basic/i.test(authorization) ? REFUSED_BASIC : REFUSED_BEARER);
    }
    if (verdict.kind === 'unavailable') return count(application, 'unavailable', IDP_UNAVAILABLE);
    if (verdict.kind !== 'ignored') return forbid(application, dialect, request, verdict.kind);
  }
  return decideForNobody(application, dialect, request, url);
}

/** No session, no credentials. Creates nothing: no cookie, no state, no store call. */
function decideForNobody(application: Application, dialect: Dialect, req: HeaderSource, url: ForwardUrl): Decision {
  if (isPublic(application, dialect, req, url)) {
    return count(application, 'anonymous', { kind: 'allow', application, block: application.anonymousBlock });
  }
  return challenge(application, dialect, req, url);
}

/** What the operator lets through with no session. */
function isPublic(application: Application, dialect: Dialect, req: HeaderSource, url: ForwardUrl): boolean {
  if (application.allowList?.matches(url)) return true;
  return application.config.allow_preflight && isPreflight(dialect, req);
}

function challenge(application: Application, dialect: Dialect, req: HeaderSource, url: ForwardUrl): Decision {
  return count(application, 'challenged', {
    kind: 'challenge',
    loginUrl: loginUrl(application, url),
    navigation: isNavigation(dialect.method(req), req),
  });
}

function forbid(application: Application, dialect: Dialect, req: HeaderSource, why: Barred): Decision {
  return count(application, 'forbidden', {
    kind: 'forbidden',
    why,
    application,
    navigation: isNavigation(dialect.method(req), req),
  });
}

function count(application: Application, result: CheckResult, decision: Decision): Decision {
  countCheck(application, result);
  return decision;
}

function noApp(context: CheckContext, dialect: Dialect, req: HeaderSource, host: string): Decision {
  const shown = host.slice(0, 260);
  const readFrom = dialect.hostHeader(req);
  const facts = { host: shown, dialect: dialect.name, read_from: readFrom };
  context.log.warn(facts, 'no provider has this host: compare it with external_host and cookie_domain', shown);
  return { kind: 'no_app', host: shown, readFrom, dialect: dialect.name };
}

/** A proxy that is set up wrongly. Logged here, because nginx shows nobody the answer's body. */
function invalid(
  context: CheckContext,
  dialect: Dialect,
  req: HeaderSource,
  peer: () => string,
  application: Application | null,
  bad: BadHeader,
): Decision {
  if (bad.problem === DOUBLED) lookAtAllUntil = context.clock.time + LOOK_AT_ALL_FOR;
  context.log.warn({ ...bad, dialect: dialect.name }, 'the proxy asks wrongly', `${bad.header} ${bad.problem}`);
  context.misconfigured?.(`${bad.header} ${bad.problem}: ${bad.hint}`, application?.name ?? '', req, peer());
  if (application !== null) countCheck(application, 'invalid');
  return { kind: 'invalid', ...bad };
}

/** A session cookie whose MAC is ours: worth asking the store about. */
interface Presented {
  readonly cookie: string;
  readonly ticket: Ticket;
}

async function runInBand(
  context: CheckContext,
  dialect: Dialect,
  step: InBandStep,
  url: ForwardUrl,
  request: Snapshot,
  application: Application,
): Promise<Decision> {
  const method = dialect.method(request) || 'GET';
  const reply = await context.inBand(step, request.redirectedTo(method, url.path, url.query), application);
  return count(application, 'in_band', { kind: 'in_band', reply });
}

function loginUrl(application: Application, url: ForwardUrl): string {
  const start = application.startUrl;
  if (url.href.length <= 2_048) return `${start}?rd=${encodeURIComponent(url.href)}`;
  // P/start checks `rd` before it believes it; a target that is too long to be accepted there need not be sent. But a callback
  // that the proxy does not route must be known there, however long its code is.
  const isCallback = inBandStep(url.path, url.query) === 'callback';
  return isCallback ? `${start}?rd=${encodeURIComponent(`${url.scheme}://${url.host}${url.path}?code&state`)}` : start;
}

/**
 * Behind nginx nothing is passed as a preflight: its recipes need not set X-Original-Method, so a client could, and would
 * have a way around every login.
 */
function isPreflight(dialect: Dialect, req: HeaderSource): boolean {
  return (
    dialect.relaysAnswers &&
    dialect.method(req) === 'OPTIONS' &&
    req.get(ORIGIN) !== '' &&
    req.get(ACCESS_CONTROL_REQUEST_METHOD) !== ''
  );
}

/** RFC 9110 §11.6.1: a 401 names the scheme. It is the one that was tried: a browser asks for a password at `Basic`. */
const SCHEMES = {
  basic: ['WWW-Authenticate', 'Basic realm="akprox", charset="UTF-8"'],
  bearer: ['WWW-Authenticate', 'Bearer error="invalid_token"'],
} as const;

const IDENTITY_TOO_LARGE = {
  error: 'identity_too_large',
  message: 'what is known about this account is more than can be passed on to the application (headers.max_bytes)',
} as const;

const UNAVAILABLE_TEXTS = {
  store: { error: 'store_unavailable', message: 'sessions cannot be read at the moment; nobody is signed out' },
  idp: {
    error: 'idp_unreachable',
    message: 'the identity provider cannot be asked about these credentials at the moment',
  },
} as const;

/** The one place where a decision that is not `allow` becomes a status. Never 2xx, whatever a handler answered. */
export function render(decision: Exclude<Decision, Allow>, dialect: Dialect): Reply {
  switch (decision.kind) {
    case 'challenge':
      if (!dialect.relaysAnswers) return empty(401, [['Location', decision.loginUrl]]);
      if (decision.navigation) return redirect(decision.loginUrl);
      return json(401, { error: 'login_required', login_url: decision.loginUrl });
    case 'forbidden':
      if (!dialect.relaysAnswers) return empty(403);
      if (decision.why === 'too_large') {
        return decision.navigation ? tooLargePage(decision.application) : json(403, IDENTITY_TOO_LARGE);
      }
      if (decision.navigation) return forbiddenPage(decision.application);
      return json(403, { error: 'forbidden', message: 'this account may not use this application' });
    case 'refused':
      return dialect.relaysAnswers
        ? json(401, { error: 'invalid_credentials' }, [SCHEMES[decision.scheme]])
        : empty(401, [SCHEMES[decision.scheme]]);
    case 'unavailable':
      return json(503, UNAVAILABLE_TEXTS[decision.what], [['Retry-After', '2']]);
    case 'no_app':
      return json(400, {
        message: 'no app for hostname',
        host: decision.host,
        detail: `no provider has external_host ${JSON.stringify(decision.host)} or a cookie_domain above it; the host was read from ${decision.readFrom}, as the dialect ${decision.dialect} has it (another proxy asks with ?traefik, ?caddy, ?nginx or below /auth/envoy)`,
      });
    case 'invalid':
      return json(400, {
        error: 'request_invalid',
        message: `${decision.header} ${decision.problem}`,
        header: decision.header,
        hint: decision.hint,
      });
    case 'in_band':
      return decision.reply.status < 300 ? { ...decision.reply, status: 401 } : decision.reply;
    case 'undecided':
      return json(500, { error: 'internal', message: 'the check reached no decision' });
  }
}
