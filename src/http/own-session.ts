// The caller's own session, for the steps that show it.
import type { Application } from '../application/application.js';
import type { Session } from '../session/session.js';
import { findTickets } from './cookies.js';
import type { Snapshot } from './exchange.js';
import type { StepContext } from './steps.js';

/**
 * The first that a cookie of theirs leads to, its tokens over or not: who is signed in here. Null without one; rejects when the store
 * is down.
 */
export function ownSession(context: StepContext, request: Snapshot, application: Application): Promise<Session | null> {
  return firstOf(request, application, async (cookie) => {
    const found = await context.sessions.read(cookie, application);
    return found === null ? null : found.session;
  });
}

/** As a check would see it: renewed first when its tokens are over. Rejects also when it cannot be. */
export function ownSessionRenewed(
  context: StepContext,
  request: Snapshot,
  application: Application,
): Promise<Session | null> {
  return firstOf(request, application, (cookie) => context.sessions.readRenewed(cookie, application));
}

export interface KeyedSession {
  readonly session: Session;
  /** Its name in the store. */
  readonly key: string;
}

/** The same with its name. */
export function ownKeyedSession(
  context: StepContext,
  request: Snapshot,
  application: Application,
): Promise<KeyedSession | null> {
  return firstOf(request, application, (cookie) => context.sessions.readServed(cookie, application));
}

async function firstOf<T>(
  request: Snapshot,
  application: Application,
  read: (cookie: string) => Promise<T | null>,
): Promise<T | null> {
  for (const cookie of findTickets(request.getHeaders('cookie'), application.cookieNeedle)) {
    const session = await read(cookie);
    if (session !== null) return session;
  }
  return null;
}
