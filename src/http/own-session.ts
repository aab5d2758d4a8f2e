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
export async function ownSession(
  context: StepContext,
  request: Snapshot,
  application: Application,
): Promise<Session | null> {
  for (const cookie of findTickets(request.getHeaders('cookie'), application.cookieNeedle)) {
    const found = await context.sessions.read(cookie, application);
    if (found !== null) return found.session;
  }
  return null;
}

/** As a check would see it: renewed first when its tokens are over. Rejects also when it cannot be. */
export async function ownSessionRenewed(
  context: StepContext,
  request: Snapshot,
  application: Application,
): Promise<Session | null> {
  for (const cookie of findTickets(request.getHeaders('cookie'), application.cookieNeedle)) {
    const session = await context.sessions.readRenewed(cookie, application);
    if (session !== null) return session;
  }
  return null;
}
