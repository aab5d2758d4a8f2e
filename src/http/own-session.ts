// The caller's own session, for the steps that show it.
import type { Application } from '../application/application.js';
import type { Session } from '../session/session.js';
import { findTickets } from './cookies.js';
import type { Snapshot } from './exchange.js';
import type { StepContext } from './steps.js';

/** The first that a cookie of theirs leads to; null without one. Rejects when the store is down. */
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
