// THE CHECK. May this request pass, and whose is it? Read it top to bottom.
//
// Deny by default: a 2xx leaves this daemon's check for exactly one reason, a decision of kind `allow`. Nothing here makes
// one except a session that the store vouched for, an allow-listed path, a CORS preflight that the operator lets through,
// and credentials that the identity provider accepted.
import type { Logger } from 'pino';
import type { LogGate } from '../infra/log-gate.js';
import { decodePathOnce, type ForwardUrl } from '../provider/forward-url.js';
import { type CheckResult, countCheck, type Provider, type ProviderTable } from '../provider/provider.js';
import type { CacheEntry } from '../session/cache.js';
import type { Sessions } from '../session/sessions.js';
import { TICKET_LENGTH, type Ticket, verifyTicket } from '../session/ticket.js';
import { findCookie, findTickets } from './cookies.js';
import type { Dialect } from './dialects.js';
import { empty, type HeaderSource, json, type Reply, redirect, Snapshot } from './exchange.js';
import { forbiddenPage } from './pages.js';

export interface CheckContext {
  /** Replaced as a whole when the configuration changes. */
  readonly providers: ProviderTable;
  readonly sessions: Sessions;
  /** Unix milliseconds, some milliseconds old: reading a clock costs as much as looking up a session. */
  readonly clock: { readonly now: number };
  /** Handlers that answer for the browser when the forward URL is one of ours (contract §1, in-band). */
  readonly inBand: (step: InBandStep, request: Snapshot, provider: Provider) => Promise<Reply>;
  readonly headerAuth: (provider: Provider, authorization: string) => Promise<HeaderAuthVerdict>;
  readonly log: Logger;
  /** A proxy that does not send what it must; told to authentik, if there is one. */
  readonly misconfigured?: (message: string, provider: string, req: HeaderSource, peer: string) => void;
  /** For lines that anybody can cause. */
  readonly logGate: LogGate;
  readonly logChecks: 'none' | 'denied' | 'all';
}

export type InBandStep = 'start' | 'callback' | 'sign_out';

/** `ignored`: there was nothing to verify. */
export type HeaderAuthVerdict = Allow | { readonly kind: 'refused' | 'forbidden' | 'unavailable' | 'ignored' };

export interface Allow {
  readonly kind: 'allow';
  /** Rendered identity headers, complete. */
  readonly block: ArrayBuffer;
}

export type Decision =
  | Allow
  | { readonly kind: 'undecided' }
  | { readonly kind: 'challenge'; readonly loginUrl: string; readonly navigation: boolean }
  | { readonly kind: 'forbidden'; readonly provider: Provider; readonly navigation: boolean }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unavailable' }
  | { readonly kind: 'no_app'; readonly host: string }
  | { readonly kind: 'invalid'; readonly header: string; readonly problem: string; readonly hint: string }
  | { readonly kind: 'in_band'; readonly reply: Reply };

const UNDECIDED: Decision = { kind: 'undecided' };
const REFUSED: Decision = { kind: 'refused' };
const UNAVAILABLE: Decision = { kind: 'unavailable' };

/**
 * One hit in this many also proves that no header came twice. uWebSockets.js shows the first of several, and finding a
 * second costs half a check; every check that is not a cached hit is proved. See `strictHeaders`.
 */
const PROVE_EVERY = 32;
let hitsUntilProof = PROVE_EVERY;
/** A doubled header makes this worker prove every check for a minute: a proxy that appends lets clients choose the host. */
const STRICT_FOR = 60_000;
let strictUntil = 0;

/**
 * HOT PATH. The whole check for somebody who is signed in; `undecided` for everybody else. It must not await, build a URL,
 * allocate or log. `req` is only read, so that the caller can go on with `checkSlowly`.
 */
export function check(context: CheckContext, dialect: Dialect, req: HeaderSource): Decision {
  // 1. What was asked for, by the headers of this dialect only.
  const host = dialect.host(req);
  const uri = dialect.uri(req);

  // 2. Whose host is it?
  const provider = context.providers.find(host);
  if (provider === undefined) return UNDECIDED;

  if (!dialect.agrees(req, provider, context.providers)) return UNDECIDED;

  // 3. Is it one of our own steps, asked for through the proxy? (Also: a proxy that does not say what was asked for.)
  if (dialect.redirects && (uri === '' || concernsUs(uri))) return UNDECIDED;

  // 4. The session cookie.
  const cookie = findCookie(req.getHeader('cookie'), provider.cookieNeedle);
  if (cookie.length !== TICKET_LENGTH) return UNDECIDED;

  // 5. The session. The access rule was applied when it was loaded, and its identity headers were rendered then.
  const entry = context.sessions.peek(cookie, provider, context.clock.now);
  if (entry === undefined || entry.kind !== 'allow') return UNDECIDED;

  // 6. Now and then: is the host that we decided for really the one that the proxy set?
  hitsUntilProof -= 1;
  if (hitsUntilProof <= 0 || context.clock.now < strictUntil) {
    hitsUntilProof = PROVE_EVERY;
    if (unprovenHeader(dialect, req) !== null) return UNDECIDED;
  }

  provider.checks[ALLOWED] = (provider.checks[ALLOWED] as number) + 1;
  return entry as CacheEntry & Allow;
}

const ALLOWED = 0; // CHECK_RESULTS.indexOf('allowed'), asserted by a test

/** Whether a path or its query can be a step of ours: a cheap question that is allowed to say yes too often. */
function concernsUs(uri: string): boolean {
  return uri.startsWith('/akprox/') || uri.startsWith('/outpost.goauthentik.io/') || uri.includes('X-authentik-');
}

// ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
// Above: synchronous, on every request. Below: the same decision for everybody else, and it may be slow.

/** Decides without a cached session. Synchronous unless the store, the IdP or a step of a login has to be asked. */
export function checkSlowly(
  context: CheckContext,
  dialect: Dialect,
  req: HeaderSource,
  peer: string,
): Decision | Promise<Decision> {
  const unproven = unprovenHeader(dialect, req);
  if (unproven !== null) {
    if (unproven.problem === DOUBLED) strictUntil = context.clock.now + STRICT_FOR;
    context.misconfigured?.(`${unproven.header} ${unproven.problem}: ${unproven.hint}`, '', req, peer);
    return { kind: 'invalid', ...unproven };
  }

  const host = dialect.host(req);
  const provider = context.providers.find(host);
  if (provider === undefined) return noApp(context, host);

  if (!dialect.agrees(req, provider, context.providers)) {
    return count(provider, 'invalid', {
      kind: 'invalid',
      header: 'X-Original-URL',
      problem: DISAGREES,
      hint: dialect.hints['x-original-url'] ?? '',
    });
  }

  const url = dialect.forwardUrl(req, provider.secure ? 'https' : 'http');
  if (url === null) return count(provider, 'invalid', unparsable(dialect, req));

  if (dialect.redirects) {
    const step = inBandStep(url);
    if (step !== null) return runInBand(context, dialect, step, url, Snapshot.of(req, peer), provider);
  }

  // A forged cookie ends here: no store call, no promise.
  const tickets = sessionTickets(req, provider);
  if (tickets.length === 0 && req.getHeader('authorization') === '')
    return decideForNobody(provider, dialect, req, url);
  return decideWithStore(context, dialect, Snapshot.of(req, peer), provider, url, tickets);
}

async function decideWithStore(
  context: CheckContext,
  dialect: Dialect,
  request: Snapshot,
  provider: Provider,
  url: ForwardUrl,
  tickets: readonly Presented[],
): Promise<Decision> {
  let unavailable = false;
  for (const { cookie, ticket } of tickets) {
    const resolution =
      context.sessions.peek(cookie, provider, context.clock.now) ??
      (await context.sessions.resolve(cookie, provider, ticket));
    if (resolution.kind === 'allow') return count(provider, 'allowed', { kind: 'allow', block: resolution.block });
    if (resolution.kind === 'forbidden') return forbid(provider, dialect, request);
    if (resolution.kind === 'unavailable') unavailable = true;
  }
  // An outage logs nobody out: no redirect, no cleared cookie.
  if (unavailable) return count(provider, 'unavailable', UNAVAILABLE);

  const authorization = request.getHeader('authorization');
  if (authorization !== '' && provider.config.intercept_header_auth) {
    const verdict = await context.headerAuth(provider, authorization);
    if (verdict.kind === 'allow') return count(provider, 'allowed', verdict);
    if (verdict.kind === 'refused') return count(provider, 'refused', REFUSED);
    if (verdict.kind === 'forbidden') return forbid(provider, dialect, request);
    if (verdict.kind === 'unavailable') return count(provider, 'unavailable', UNAVAILABLE);
  }
  return decideForNobody(provider, dialect, request, url);
}

/** No session, no credentials. Creates nothing: no cookie, no state, no store call. */
function decideForNobody(provider: Provider, dialect: Dialect, req: HeaderSource, url: ForwardUrl): Decision {
  if (provider.allowList?.matches(url))
    return count(provider, 'anonymous', { kind: 'allow', block: provider.anonymousBlock });
  if (provider.config.allow_preflight && isPreflight(dialect, req)) {
    return count(provider, 'anonymous', { kind: 'allow', block: provider.anonymousBlock });
  }
  return count(provider, 'challenged', {
    kind: 'challenge',
    loginUrl: loginUrl(provider, url),
    navigation: isNavigation(dialect, req),
  });
}

function forbid(provider: Provider, dialect: Dialect, req: HeaderSource): Decision {
  return count(provider, 'forbidden', { kind: 'forbidden', provider, navigation: isNavigation(dialect, req) });
}

function count(provider: Provider, result: CheckResult, decision: Decision): Decision {
  countCheck(provider, result);
  return decision;
}

function noApp(context: CheckContext, host: string): Decision {
  const shown = host.slice(0, 260);
  const held = context.logGate.pass(`host\0${shown}`);
  if (held !== null)
    context.log.warn(
      { host: shown, held },
      'no provider has this host: compare it with external_host and cookie_domain',
    );
  return { kind: 'no_app', host: shown };
}

/** A session cookie whose MAC is ours. */
interface Presented {
  readonly cookie: string;
  readonly ticket: Ticket;
}

/** The session cookies that are worth asking the store about, from every Cookie header. */
function sessionTickets(req: HeaderSource, provider: Provider): Presented[] {
  if (req.getHeader('cookie') === '') return [];
  const headers: string[] = [];
  req.forEach((name, value) => {
    if (name === 'cookie' && headers.length < 16) headers.push(value);
  });
  return findTickets(headers, provider.cookieNeedle).flatMap((cookie) => {
    const ticket = verifyTicket(provider, cookie);
    return ticket === null ? [] : [{ cookie, ticket }];
  });
}

interface Unproven {
  readonly header: string;
  readonly problem: string;
  readonly hint: string;
}

/** How often each required header came; filled by `countRequired`, which closes over nothing, so that a proof allocates nothing. */
const times = [0, 0, 0, 0];
let wanted: readonly string[] = [];
const countRequired = (name: string): void => {
  const index = wanted.indexOf(name);
  if (index !== -1) times[index] = (times[index] as number) + 1;
};

/** The first header that must be there exactly once and is not; null when all is well. */
function unprovenHeader(dialect: Dialect, req: HeaderSource): Unproven | null {
  wanted = dialect.single;
  times.fill(0);
  req.forEach(countRequired);
  for (let i = 0; i < wanted.length; i += 1) {
    const name = wanted[i] as string;
    const count = times[i] as number;
    if (count === 1 && req.getHeader(name) !== '') continue;
    // An alternative to a required header may be absent: nginx recipes send X-Original-URL or nothing.
    const hint = dialect.hints[name];
    if (count > 1) return { header: headerName(name), problem: DOUBLED, hint: hint ?? '' };
    if (hint !== undefined && dialect.mustHave.includes(name))
      return { header: headerName(name), problem: 'is missing', hint };
  }
  return null;
}

const DISAGREES = 'names another application than Host, or another path than X-Original-URI: a client may have sent it';
const DOUBLED = 'came more than once: the proxy must set it, not append to what the client sent';

function unparsable(dialect: Dialect, req: HeaderSource): Decision {
  const header =
    dialect.name === 'nginx' && req.getHeader('x-original-url') !== ''
      ? 'x-original-url'
      : dialect.name === 'nginx'
        ? 'x-original-uri'
        : 'x-forwarded-uri';
  const hint =
    'the outpost could not read scheme, host and path from what the proxy sent; it must be the URL that the browser asked for, percent-encoded as it came';
  return { kind: 'invalid', header: headerName(header), problem: 'cannot be read', hint };
}

function headerName(lower: string): string {
  return lower.replace(/(^|-)([a-z])/g, (match) => match.toUpperCase()).replace(/Url$/, 'URL');
}

/** Exactly `P/start`, `P/callback`, `P/sign_out`, or one of the two query signatures. Look-alikes are not ours. */
export function inBandStep(url: ForwardUrl): InBandStep | null {
  const step = /^\/(?:akprox|outpost\.goauthentik\.io)\/(start|callback|sign_out)$/.exec(url.path)?.[1];
  if (step === 'start' || step === 'callback' || step === 'sign_out') return step;
  return signatureStep(url.query);
}

export function signatureStep(query: string): 'callback' | 'sign_out' | null {
  if (!query.includes('X-authentik-')) return null;
  const params = new URLSearchParams(query);
  if (params.get('X-authentik-auth-callback')?.toLowerCase() === 'true') return 'callback';
  if (params.get('X-authentik-logout')?.toLowerCase() === 'true') return 'sign_out';
  return null;
}

async function runInBand(
  context: CheckContext,
  dialect: Dialect,
  step: InBandStep,
  url: ForwardUrl,
  request: Snapshot,
  provider: Provider,
): Promise<Decision> {
  const method = dialect.method(request) || 'GET';
  const reply = await context.inBand(step, request.redirectedTo(method, url.path, url.query), provider);
  return count(provider, 'in_band', { kind: 'in_band', reply });
}

function loginUrl(provider: Provider, url: ForwardUrl): string {
  const start = `${provider.origin}${provider.prefix}/start`;
  // P/start checks `rd` before it believes it; a target that is too long to be accepted there need not be sent.
  return url.href.length > 2_048 ? start : `${start}?rd=${encodeURIComponent(url.href)}`;
}

/** A request whose answer a person will see. Everything else (fetch, XHR, images) gets 401, never a redirect. */
export function isNavigation(dialect: Dialect, req: HeaderSource): boolean {
  const method = dialect.method(req);
  if (method !== 'GET' && method !== 'HEAD' && method !== '') return false;
  const mode = req.getHeader('sec-fetch-mode');
  if (mode !== '' && mode !== 'navigate') return false;
  if (req.getHeader('x-requested-with') !== '') return false;
  const accept = req.getHeader('accept');
  return accept === '' || accept.includes('text/html') || accept.includes('*/*');
}

/**
 * Behind nginx nothing is passed as a preflight: its recipes need not set X-Original-Method, so a client could, and would
 * have a way around every login.
 */
function isPreflight(dialect: Dialect, req: HeaderSource): boolean {
  return (
    dialect.redirects &&
    dialect.method(req) === 'OPTIONS' &&
    req.getHeader('origin') !== '' &&
    req.getHeader('access-control-request-method') !== ''
  );
}

/** Whether a forward URL's path can be compared at all; used by tests to state the rule next to the check. */
export function isComparable(url: ForwardUrl): boolean {
  return decodePathOnce(url.path) !== null;
}

/** The one place where a decision that is not `allow` becomes a status. Never 2xx, whatever a handler answered. */
export function render(decision: Exclude<Decision, Allow>, dialect: Dialect): Reply {
  switch (decision.kind) {
    case 'challenge':
      if (!dialect.redirects) return empty(401, [['Location', decision.loginUrl]]);
      if (decision.navigation) return redirect(decision.loginUrl);
      return json(401, { error: 'login_required', login_url: decision.loginUrl });
    case 'forbidden':
      if (!dialect.redirects) return empty(403);
      if (decision.navigation) return forbiddenPage(decision.provider);
      return json(403, { error: 'forbidden', message: 'this account may not use this application' });
    case 'refused':
      return dialect.redirects
        ? json(401, { error: 'invalid_credentials' }, [['WWW-Authenticate', 'Bearer error="invalid_token"']])
        : empty(401, [['WWW-Authenticate', 'Bearer error="invalid_token"']]);
    case 'unavailable':
      return json(
        503,
        { error: 'store_unavailable', message: 'sessions cannot be read at the moment; nobody is signed out' },
        [['Retry-After', '2']],
      );
    case 'no_app':
      return json(400, {
        message: 'no app for hostname',
        host: decision.host,
        detail: `no provider has external_host ${JSON.stringify(decision.host)} or a cookie_domain above it`,
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
