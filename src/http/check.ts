// THE CHECK. May this request pass, and whose is it? Read it top to bottom.
//
// Who may pass is decided by `verdictOn` (application/verdict.ts) and nowhere else, for sessions and for credentials in a header
// alike. The check finds out who asks, gets the verdict on them, and makes a `Decision` of it.
//
// Deny by default: a 2xx leaves this daemon's check for exactly one reason, a decision of kind `allow`. Nothing here makes
// one except that verdict on a session which the store vouched for, or on credentials that the identity provider accepted, an
// allow-listed path, and a CORS preflight that the operator lets through.

import { type Application, type ApplicationTable, CHECK_RESULTS } from '../application/application.js';
import { mayBeOwnStep } from '../application/own-paths.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { References } from '../infra/references.js';
import type { Tracing } from '../infra/tracing.js';
import type { HeaderVerdict } from '../oidc/header-auth.js';
import type { Audit } from '../session/audit.js';
import type { CacheEntry } from '../session/cache.js';
import type { Sessions } from '../session/sessions.js';
import { TICKET_LENGTH } from '../session/ticket.js';
import { missingOrDoubled } from './bad-header.js';
import type { CheckState, Undecided } from './check-state.js';
import { findCookie } from './cookies.js';
import type { Allow } from './decision.js';
import type { Dialect } from './dialects.js';
import type { HeaderSource } from './exchange.js';
import { COOKIE } from './header-names.js';
import type { InBandHandler } from './in-band.js';
import type { PageContext } from './page-layout.js';
import type { RequesterContext } from './requester.js';

export interface CheckContext extends PageContext, RequesterContext {
  /** Replaced as a whole when the configuration changes. */
  readonly applications: ApplicationTable;
  readonly sessions: Sessions;
  /** Monotonic milliseconds, a few old: reading a clock costs as much as looking up a session. */
  readonly clock: { readonly time: number };
  /** Of the worker; a new configuration does not change it. */
  readonly state: CheckState;
  /** Answers for the browser when the forward URL is a step of ours (contract §1, in-band). */
  readonly inBand: InBandHandler;
  readonly headerAuth: (application: Application, authorization: string) => Promise<HeaderVerdict>;
  readonly log: GatedLog;
  readonly audit: Audit;
  /** For a line whose reference is on a page. */
  readonly references: References;
  /** A proxy that does not send what it must; told to authentik, if there is one. */
  readonly misconfigured?: (message: string, provider: string, req: HeaderSource, peer: string) => void;
  readonly logChecks: 'none' | 'denied' | 'all';
  /** Whether anybody looks at hits: the log, or traces. */
  readonly watchesHits: boolean;
  /** Null: nothing is traced. */
  readonly tracing: Tracing | null;
  readonly logAudit: 'subject' | 'user' | 'none';
}

/**
 * HOT PATH. The whole check for somebody who is signed in; `undecided` for everybody else, with what was found out. It must not
 * await, build a URL, make an object or a closure, or log. `req` is only read, so that the caller can go on with `checkSlowly`.
 */
export function check(context: CheckContext, dialect: Dialect, req: HeaderSource): Allow | Undecided {
  // 1. What was asked for, by the headers of this dialect only.
  const host = dialect.host(req);

  // 2. Whose host is it?
  const application = context.applications.find(host);
  if (application === undefined) return context.state.undecided.at(host, undefined);

  // 3. nginx: does a header that the client may have sent contradict the one that nginx sends?
  if (!dialect.agrees(req, application, context.applications))
    return context.state.undecided.contradicting(host, application);

  // 4. Is it one of our own steps, asked for through the proxy? (Also: a proxy that does not say what was asked for.)
  if (dialect.relaysAnswers) {
    const uri = dialect.uri(req);
    if (uri === '' || mayBeOwnStep(uri)) return context.state.undecided.at(host, application);
  }

  // 5. The session cookie.
  const cookie = findCookie(req.get(COOKIE), application.cookieNeedle);
  if (cookie.length !== TICKET_LENGTH) return context.state.undecided.at(host, application);

  // 6. The verdict on its session: `verdictOn` made it when the session was loaded, and rendered the identity headers.
  const verdict = context.sessions.peek(cookie, application, context.clock.time);
  if (verdict === undefined || verdict.kind !== 'allow')
    return context.state.undecided.at(host, application, cookie, verdict);

  // 7. Now and then: is the host that we decided for really the one that the proxy set?
  if (
    context.state.isInspectionDue(context.clock.time) &&
    missingOrDoubled(dialect, context.state.headers.visit(req)) !== null
  )
    return context.state.undecided.at(host, application, cookie, verdict);

  application.checks[ALLOWED] = (application.checks[ALLOWED] as number) + 1;
  return verdict as CacheEntry & Allow;
}

const ALLOWED = CHECK_RESULTS.indexOf('allowed');

// ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
// Above: synchronous, on every request. Below: `checkSlowly` in check-slow.ts, the same decision for everybody else.
