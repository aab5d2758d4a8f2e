// Below the line of check.ts: the same decision for everybody whom `check` could not let pass at once. The steps of
// `checkSlowly` are asked in turn, and the first that decides ends it. None of them says who may pass: where a person is known, the verdict
// of application/verdict.ts does.
import type { Application } from '../application/application.js';
import { type InBandStep, inBandStep } from '../application/own-paths.js';
import type { Barred } from '../application/verdict.js';
import { personOf, type Requester } from '../session/audit.js';
import type { CacheEntry } from '../session/cache.js';
import type { Unavailable } from '../session/sessions.js';
import { verifyTicket } from '../session/ticket.js';
import { challenge, letPublicPass } from './challenge.js';
import type { CheckContext } from './check.js';
import { barredPage, undecidedPage } from './check-pages.js';
import type { Undecided } from './check-state.js';
import { findTickets } from './cookies.js';
import { counted, type Decision } from './decision.js';
import type { Dialect } from './dialects.js';
import { type HeaderSource, Snapshot } from './exchange.js';
import { isNavigation } from './fetch-metadata.js';
import { AUTHORIZATION } from './header-names.js';
import { type BarredSession, type Candidate, type Inquiry, inspect, readInquiry } from './inquiry.js';
import { requesterOf } from './requester.js';

/** Synchronous unless the store, the identity provider or a step of a login has to be asked. `found`: what `check` answered. */
export function checkSlowly(
  context: CheckContext,
  dialect: Dialect,
  source: HeaderSource,
  peer: () => string,
  found: Undecided,
): Decision | Promise<Decision> {
  const inquiry = readInquiry(context, dialect, source, peer, found);
  if ('kind' in inquiry) return inquiry;
  return (
    runOwnStep(inquiry) ??
    decideByCache(inquiry, found) ??
    (inquiry.candidates.length > 0 ? decideByAsking(inquiry) : decideWithoutSession(inquiry))
  );
}

/** An outage logs nobody out: no redirect, no cleared cookie. */
async function decideByAsking(inquiry: Inquiry): Promise<Decision> {
  const { context, application } = inquiry;
  // The live request is dead after the first await.
  inquiry.req = Snapshot.of(inquiry.req, inquiry.peer());
  // All at once: what was planted in front costs no time, and an outage is waited for once.
  const reads = inquiry.candidates.map(({ cookie, ticket }) => context.sessions.load(cookie, application, ticket));
  let unavailable: Unavailable['what'] | null = null;
  for (const read of reads) {
    const session = await read;
    if (session.kind === 'allow') return allow(inquiry, session.block, session.key);
    if (session.kind === 'unavailable') unavailable = session.what;
    else if (session.kind !== 'none') inquiry.barred ??= barredBy(session.kind, session);
  }
  if (unavailable !== null) return leaveUndecided(inquiry, unavailable);
  return inquiry.barred === null ? decideWithoutSession(inquiry) : forbid(inquiry, inquiry.barred);
}

/** What is public first: there the header is the application's own, and nothing of it may go to the identity provider. */
function decideWithoutSession(inquiry: Inquiry): Decision | Promise<Decision> {
  return letPublicPass(inquiry) ?? (credentialsOf(inquiry) === '' ? challenge(inquiry) : decideByCredentials(inquiry));
}

/** In-band (contract §1). */
function runOwnStep(inquiry: Inquiry): Decision | Promise<Decision> | null {
  const { dialect, url } = inquiry;
  const step = dialect.relaysAnswers ? inBandStep(url.path, url.query) : null;
  return step === null ? null : (inspect(inquiry) ?? answerInBand(inquiry, step));
}

async function answerInBand(
  { context, dialect, application, req, peer, url }: Inquiry,
  step: InBandStep,
): Promise<Decision> {
  const method = dialect.method(req) || 'GET';
  const request = Snapshot.of(req, peer()).withTarget(method, url.path, url.query);
  const reply = await context.inBand(step, request, application);
  return counted(application, 'in_band', { kind: 'in_band', reply });
}

/**
 * Whatever else came under our name, a cookie that is known to be good is enough. All of them are looked up: that costs less
 * than to read them from the wire did. A forged cookie ends here, and so does one of a session that is known to have ended: no
 * store call, no promise.
 */
function decideByCache(inquiry: Inquiry, found: Undecided): Decision | null {
  const { context, application } = inquiry;
  const unknown: string[] = [];
  for (const cookie of findTickets(inquiry.cookieHeaders, application.cookieNeedle)) {
    const entry =
      cookie === found.cookie ? found.entry : context.sessions.peek(cookie, application, context.clock.time);
    if (entry === undefined) unknown.push(cookie);
    else if (entry.kind === 'allow') return allow(inquiry, entry.block, entry.key);
    else if (entry.kind !== 'none') inquiry.barred ??= barredBy(entry.kind, entry);
  }
  inquiry.candidates = verified(application, unknown);
  return inquiry.candidates.length === 0 && inquiry.barred !== null ? forbid(inquiry, inquiry.barred) : null;
}

/**
 * The cookies whose MAC is ours. To compute one is what a forged cookie costs, so it is counted; a browser sends at most some 180
 * cookies to a site, whoever planted them. Behind it nothing need be counted: each of these was a session once, and one that has
 * ended is remembered as such.
 */
function verified(application: Application, cookies: readonly string[]): Candidate[] {
  const candidates: Candidate[] = [];
  for (let i = 0; i < cookies.length && i < MOST_VERIFIED; i += 1) {
    const cookie = cookies[i] as string;
    const ticket = verifyTicket(application, cookie);
    if (ticket !== null) candidates.push({ cookie, ticket });
  }
  return candidates;
}

const MOST_VERIFIED = 256;

/** The Authorization header, if the operator wants it to be looked at; else ''. */
function credentialsOf({ application, req }: Inquiry): string {
  return application.config.intercept_header_auth ? req.get(AUTHORIZATION) : '';
}

async function decideByCredentials(inquiry: Inquiry): Promise<Decision> {
  const { context, application } = inquiry;
  const credentials = credentialsOf(inquiry);
  // The live request is dead after the first await.
  inquiry.req = Snapshot.of(inquiry.req, inquiry.peer());
  const verdict = await context.headerAuth(application, credentials);
  switch (verdict.kind) {
    case 'allow':
      return allow(inquiry, verdict.block, '');
    case 'forbidden':
    case 'too_large':
      return forbid(inquiry, { ...verdict, who: { ...personOf(application, verdict), key: '' } });
    case 'refused':
      return refuse(inquiry, credentials, verdict.reason);
    case 'unavailable':
      return counted(application, 'unavailable', IDP_UNAVAILABLE);
    case 'ignored':
      return challenge(inquiry);
    default:
      return verdict satisfies never;
  }
}

const REFUSED_BASIC = { kind: 'refused', scheme: 'basic' } as const;
const REFUSED_BEARER = { kind: 'refused', scheme: 'bearer' } as const;
const IDP_UNAVAILABLE: Decision = { kind: 'unavailable', what: 'idp', page: null };

/** `block`: of a verdict that allows. */
function allow({ application }: Inquiry, block: ArrayBuffer, key: string): Decision {
  return counted(application, 'allowed', { kind: 'allow', application, block, key });
}

function refuse(inquiry: Inquiry, credentials: string, reason: string): Decision {
  const { context, application } = inquiry;
  const decision = /^basic/i.test(credentials) ? REFUSED_BASIC : REFUSED_BEARER;
  const about = { provider: application.name, reason, scheme: decision.scheme, by: () => requester(inquiry) };
  context.audit.write({ ...about, audit: 'credentials_refused' });
  return counted(application, 'refused', decision);
}

function barredBy(kind: Barred['kind'], { user, person, key }: CacheEntry): BarredSession {
  return { kind, user, who: { subject: person?.subject ?? '', user: person?.user ?? '', key } };
}

function forbid(inquiry: Inquiry, barred: BarredSession): Decision {
  const { context, application, url } = inquiry;
  const { kind: reason, who } = barred;
  const about = { provider: application.name, subject: who.subject, user: who.user, session: who.key };
  context.audit.write({ ...about, audit: 'access_denied', reason, host: url.host, by: () => requester(inquiry) });
  const page = isSeen(inquiry) ? barredPage(context, asked(inquiry), barred) : null;
  return counted(application, 'forbidden', { kind: 'forbidden', why: reason, page, who });
}

/** Of a live request while its handler runs, of a copy at any time. */
function requester({ context, req, peer }: Inquiry): Requester {
  return requesterOf(context, req, req instanceof Snapshot ? req.peer : peer());
}

function leaveUndecided(inquiry: Inquiry, what: Unavailable['what']): Decision {
  const page = isSeen(inquiry) ? undecidedPage(inquiry.context, asked(inquiry), what) : null;
  return counted(inquiry.application, 'unavailable', { kind: 'unavailable', what, page });
}

/** Whether a person sees the answer. */
function isSeen({ dialect, req }: Inquiry): boolean {
  return dialect.relaysAnswers && isNavigation(dialect.method(req), req);
}

function asked({ req, application, url }: Inquiry): { req: HeaderSource; application: Application; url: string } {
  return { req, application, url: url.href };
}
