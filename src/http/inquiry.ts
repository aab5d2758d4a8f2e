// What a check below the line is about: read once, from headers that are as they should be. Headers that are not are answered
// here, and named in the log, because nginx shows nobody the answer's body.
import { type Application, countCheck } from '../application/application.js';
import type { ForwardUrl } from '../application/forward-url.js';
import type { Barred } from '../application/verdict.js';
import type { Ticket } from '../session/ticket.js';
import { type BadHeader, contradicting, DOUBLED, missingOrDoubled, unreadable } from './bad-header.js';
import type { CheckContext } from './check.js';
import type { Undecided } from './check-state.js';
import type { Decision, Known } from './decision.js';
import type { Dialect } from './dialects.js';
import type { HeaderSource } from './exchange.js';
import { AUTHORIZATION, COOKIE } from './header-names.js';

interface Request {
  readonly context: CheckContext;
  readonly dialect: Dialect;
  /** The live one, or its visited headers; from the first await on a copy. */
  req: HeaderSource;
  readonly peer: () => string;
  /** False: `inspect` comes before any answer but a challenge. */
  readonly isInspected: boolean;
}

export interface Inquiry extends Request {
  readonly application: Application;
  readonly url: ForwardUrl;
  /** Until the first await. */
  readonly cookieHeaders: readonly string[];
  /** Session cookies that the cache does not know and whose MAC is ours: worth asking the store about. */
  candidates: readonly Candidate[];
  /** What one of the cookies is known to be, if it is a session that may not pass. */
  barred: BarredSession | null;
}

export interface BarredSession extends Pick<Barred, 'kind' | 'user'> {
  readonly who: Known;
}

export interface Candidate {
  readonly cookie: string;
  readonly ticket: Ticket;
}

/**
 * Somebody who brings nothing and asks for what is not public gets a challenge, whatever else the request says. So not every
 * header of theirs is visited, except now and then, to find a proxy that is set up wrongly.
 */
export function readInquiry(
  context: CheckContext,
  dialect: Dialect,
  source: HeaderSource,
  peer: () => string,
  found: Undecided,
): Inquiry | Decision {
  const isInspected = !isStranger(dialect, source) || context.state.isInspectionDue(context.clock.time);
  const headers = context.state.headers;
  const req = isInspected ? headers.visit(source) : source;
  const request: Request = { context, dialect, req, peer, isInspected };
  const bad = isInspected ? missingOrDoubled(dialect, headers) : null;
  if (bad !== null) return invalid(request, null, bad);
  const { application } = found;
  const url = application === undefined || found.contradicts ? null : dialect.forwardUrl(req, application);
  if (application === undefined || url === null) return inspect(request) ?? refuse(request, found);
  // Member by member: V8 takes microseconds for a spread with more members behind it.
  return {
    context,
    dialect,
    req,
    peer,
    isInspected,
    application,
    url,
    cookieHeaders: isInspected ? headers.cookieHeaders() : NO_COOKIES,
    candidates: NO_CANDIDATES,
    barred: null,
  };
}

const NO_COOKIES: readonly string[] = [];
const NO_CANDIDATES: readonly Candidate[] = [];

function isStranger(dialect: Dialect, req: HeaderSource): boolean {
  if (req.get(COOKIE) !== '' || req.get(AUTHORIZATION) !== '') return false;
  return !dialect.tellsMethod || dialect.method(req) !== '';
}

/** Null when no header of the dialect is missing or came twice, or when that is known already. */
export function inspect(request: Request): Decision | null {
  if (request.isInspected) return null;
  const bad = missingOrDoubled(request.dialect, request.context.state.headers.visit(request.req));
  return bad === null ? null : invalid(request, null, bad);
}

/** Nobody's host, a contradiction or no URL. */
function refuse(request: Request, { host, application, contradicts }: Undecided): Decision {
  const { dialect, req } = request;
  if (application !== undefined)
    return invalid(request, application, contradicts ? contradicting(dialect) : unreadable(dialect, req));
  return host === '' ? invalid(request, null, unreadable(dialect, req)) : noApp(request, host);
}

function noApp({ context, dialect, req }: Request, host: string): Decision {
  const shown = host.slice(0, 260);
  const readFrom = dialect.hostHeader(req);
  const facts = { host: shown, dialect: dialect.name, read_from: readFrom };
  const text = 'request refused: no application has this host; compare it with external_host and cookie_domain';
  context.log.warn(facts, text, shown);
  return { kind: 'no_app', host: shown, readFrom, dialect: dialect.name };
}

function invalid({ context, dialect, req, peer }: Request, application: Application | null, bad: BadHeader): Decision {
  const what = `${bad.header} ${bad.problem}`;
  if (bad.problem === DOUBLED) context.state.inspectAll(context.clock.time);
  // A handful of texts: both parts of it are ours.
  context.log.warn({ ...bad, dialect: dialect.name }, `request refused: ${what}`);
  context.misconfigured?.(`${what}: ${bad.hint}`, application?.name ?? '', req, peer());
  if (application !== null) countCheck(application, 'invalid');
  return { kind: 'invalid', ...bad };
}
