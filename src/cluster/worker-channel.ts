// How revocations leave this worker and reach it: through the primary between the workers of a host, through Redis between nodes.
import type { Timers } from '../infra/timers.js';
import type { Revocation, RevocationChannel, SharedChannel } from '../session/revocation.js';
import type { Sessions } from '../session/sessions.js';
import type { SessionStore } from '../session/store.js';

/** Between two questions to a store that does not answer, in milliseconds. */
const PROBE_PAUSE = 50;

export interface WorkerChannel extends RevocationChannel {
  /** From the primary. */
  receive(revocation: Revocation): void;
}

/** `redis`: null with the embedded store, whose workers all have one parent. */
export function createWorkerChannel(
  redis: SharedChannel | null,
  toPrimary: (revocation: Revocation) => void,
): WorkerChannel {
  const handlers: ((revocation: Revocation) => void)[] = [];
  return {
    publish(revocation) {
      redis?.publish(revocation);
      // What the store could not delete: it may be the very Redis that would carry this.
      if (redis === null || revocation.refusedUntil !== undefined) toPrimary(revocation);
    },
    subscribe(handler) {
      redis?.subscribe(handler);
      handlers.push(handler);
    },
    receive(revocation) {
      for (const handler of handlers) handler(revocation);
    },
  };
}

/**
 * For a time in which revocations may have been missed. The channel may be back before the store is: until the store answers,
 * cached sessions are all that keeps people signed in (and `stale_max` bounds them); from then on nothing that was learnt before
 * counts.
 */
export async function clearCacheOnceStoreAnswers(
  store: Pick<SessionStore, 'get'>,
  sessions: Pick<Sessions, 'clear'>,
  timers: Timers,
): Promise<void> {
  while (!(await answers(store))) await new Promise<void>((resolve) => timers.after(PROBE_PAUSE, resolve));
  sessions.clear();
}

async function answers(store: Pick<SessionStore, 'get'>): Promise<boolean> {
  try {
    await store.get('probe');
    return true;
  } catch {
    return false;
  }
}
