// The session behind a ticket as it may be served: one whose tokens are over is renewed first, by one worker of the fleet, while
// the others wait for it.
import type { Application } from '../application/application.js';
import { AkproxError } from '../infra/errors.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { Timers } from '../infra/timers.js';
import type { Renewal } from './renewal.js';
import type { Session } from './session.js';
import { isBeingRenewed, isInGrace, standingOf } from './standing.js';
import type { Ticket } from './ticket.js';

export interface ServedSessionsOptions {
  /** As it lies in the store. Rejects when the store is down. */
  readonly read: (application: Application, ticket: Ticket) => Promise<Session | null>;
  /** Null: none is renewed. */
  readonly renewal: Renewal | null;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds. */
  readonly monotonic: () => number;
  readonly timers: Timers;
  readonly log: GatedLog;
}

/**
 * Null: there is none. `unreachable`: it cannot be renewed at the moment, and is no sign-out. Rejects when the store is down, or takes no
 * renewal.
 */
export type ReadServed = (
  application: Application,
  ticket: Ticket,
  /** What was read a moment ago; null: nothing was. */
  known: Session | null,
) => Promise<Session | 'unreachable' | null>;

/** How long somebody waits for a renewal, in milliseconds: Envoy and HAProxy, as deploy/ has them, give a check up after 5 s. */
const LONGEST_WAIT = 4_500;
/** How often the store is asked whether another worker is done. */
const FIRST_PAUSE = 25;
const LONGEST_PAUSE = 400;

export function createReadServed(options: ServedSessionsOptions): ReadServed {
  const { read, renewal, now, monotonic, timers, log } = options;

  /** Undefined when it takes longer than `ms`. */
  function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      const cancel = timers.after(ms, () => resolve(undefined));
      work.then(resolve, reject).finally(cancel);
    });
  }

  const pauseFor = (ms: number): Promise<void> => new Promise((resolve) => timers.after(ms, resolve));

  function unrenewed(application: Application, session: Session): Session | 'unreachable' {
    const facts = { provider: application.name };
    if (isInGrace(application, session, now())) {
      log.warn(facts, 'a session is served past the end of its tokens, which cannot be renewed (session.grace)');
      return session;
    }
    log.warn(
      facts,
      'a session cannot be served until its tokens are renewed: 503, nobody is signed out (session.grace would serve it)',
    );
    return 'unreachable';
  }

  return async (application, ticket, known) => {
    const deadline = monotonic() + LONGEST_WAIT;
    let session = known ?? (await read(application, ticket));
    for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
      const standing = session === null ? 'over' : standingOf(application, session, now());
      if (session === null || standing === 'over') return null;
      if (standing === 'good') return session;
      if (renewal === null) return null;
      const left = deadline - monotonic();
      if (standing !== 'expired' || left <= 0) return unrenewed(application, session);
      // Whose token another worker has taken out waits for that worker.
      const end =
        isBeingRenewed(session, now()) && !renewal.isRunning(ticket)
          ? 'elsewhere'
          : await within(left, renewal.start(application, ticket));
      if (end === 'failed') throw new AkproxError('store_unavailable', 'the renewal could not be begun or saved');
      if (end === 'elsewhere' || end === 'later') await pauseFor(Math.min(pause, Math.max(1, deadline - monotonic())));
      session = await read(application, ticket);
    }
  };
}
