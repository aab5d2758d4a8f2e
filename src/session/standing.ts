// What a session is worth at a moment: whether it may be served, must be renewed first, or is over. Pure functions of its record.
// Two ends: that of its tokens, from which on it is served only after a renewal, and that of the session.
import type { Application } from '../application/application.js';
import { endOf, type Session } from './session.js';

export type Standing =
  /** Served as it is. */
  | 'good'
  /** Its tokens are over: to be renewed before it is served. */
  | 'expired'
  /** Its tokens are over, and the identity provider could not be asked a moment ago: served for `session.grace`. */
  | 'grace'
  /** The same, without grace or after it. It is no sign-out. */
  | 'unreachable'
  | 'over';

/**
 * In milliseconds. Longer than a redemption takes, unless discovery, token, keys (twice) and userinfo need their 10 s each: then the
 * session counts as over until it has been saved, as if its worker had died. No token is sent twice for it.
 */
export const LEASE = 60_000;
const LONGEST_MARGIN = 120_000;
/** After the identity provider could not be asked nobody of the fleet asks again about this session for so long. */
const FAILURE_PAUSE = 1_000;
/** For how long it counts as known that the identity provider is away: a session in use does not stop to find out again. */
const FAILURE_KNOWN = 10_000;

export function standingOf(application: Application, session: Session, now: number): Standing {
  if (now >= endOf(session)) return 'over';
  if (now < session.expiresAt) return 'good';
  if (!isRenewable(application, session, now)) return 'over';
  if (!failedLately(session, now)) return 'expired';
  return isInGrace(application, session, now) ? 'grace' : 'unreachable';
}

/** Whoever took its refresh token out and crashed has left a session that nothing can renew. */
function isRenewable(application: Application, session: Session, now: number): boolean {
  return application.config.session.refresh && (session.refreshToken !== null || isBeingRenewed(session, now));
}

/** Whether somebody is at it: it may fail, and then the session wants to be renewed again. Clocks of nodes differ. */
export function isBeingRenewed(session: Session, now: number): boolean {
  return session.takenAt !== undefined && Math.abs(now - session.takenAt) < LEASE;
}

/** Whether nothing has happened to it since its tokens were issued: its standing is a question of two times. */
export function isPlain(session: Session): boolean {
  return session.takenAt === undefined && session.failedAt === undefined;
}

/** Unix milliseconds from which on a session wants to be renewed; never, when it cannot be or when it would not live longer for it. */
export function renewalDue(application: Application, session: Session): number {
  if (session.refreshToken === null || !application.config.session.refresh) return Number.POSITIVE_INFINITY;
  if (session.endsAt !== undefined && session.expiresAt >= session.endsAt) return Number.POSITIVE_INFINITY;
  return session.expiresAt - Math.min(LONGEST_MARGIN, (session.expiresAt - session.renewedAt) / 4);
}

export function wantsRenewal(application: Application, session: Session, now: number): boolean {
  return now >= renewalDue(application, session) && !failedLately(session, now);
}

function failedLately(session: Session, now: number): boolean {
  return session.failedAt !== undefined && now >= session.failedAt && now < session.failedAt + FAILURE_PAUSE;
}

/** Whether it may be served past its tokens' end while it cannot be renewed. */
export function isInGrace(application: Application, session: Session, now: number): boolean {
  return now < graceEnd(application, session);
}

function graceEnd(application: Application, session: Session): number {
  return Math.min(session.expiresAt + application.config.session.grace, endOf(session));
}

/** Unix milliseconds: how long what is known at `now` may be served. Past its tokens' end only while the identity provider is away. */
export function servedUntil(application: Application, session: Session, now: number): number {
  const { expiresAt, failedAt = Number.NEGATIVE_INFINITY } = session;
  const awayAt = now >= expiresAt ? now : failedAt;
  return Math.max(expiresAt, Math.min(graceEnd(application, session), awayAt + FAILURE_KNOWN));
}
