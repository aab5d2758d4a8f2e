// authentik says that a session of its own is over: every session of ours with that `sid` ends, at every provider of
// authentik. Core says it once, so a store that is down just now is asked again until it has deleted them.
import type { Application } from '../application/application.js';
import { createBackoff } from '../infra/backoff.js';
import type { Timers } from '../infra/timers.js';
import type { Sessions } from '../session/sessions.js';
import type { SourceLog } from './socket.js';

export interface SessionEndOptions {
  readonly sid: string;
  readonly providers: readonly Pick<Application, 'id' | 'config' | 'name'>[];
  readonly sessions: { endSid(...args: Parameters<Sessions['endSid']>): Promise<number> };
  readonly timers: Timers;
  readonly log: SourceLog;
}

const FIRST_DELAY = 1_000;
const LONGEST_DELAY = 60_000;
/** Two hours or so; by then the token has expired. */
const MOST_ATTEMPTS = 120;

/** Resolves when the last attempt has been made; never rejects. */
export async function endAuthentikSessions(options: SessionEndOptions): Promise<void> {
  const { sid, sessions, timers, log } = options;
  let left = options.providers.filter((provider) => provider.config.authentik !== undefined);
  const backoff = createBackoff({ first: FIRST_DELAY, longest: LONGEST_DELAY });
  for (let attempt = 1; left.length > 0; attempt += 1) {
    const outcomes = await Promise.allSettled(
      left.map((provider) => sessions.endSid(provider as Application, sid, 'authentik')),
    );
    left = left.filter((_, index) => outcomes[index]?.status === 'rejected');
    if (left.length === 0) return;
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    const facts = { err: failure?.reason, providers: left.map((provider) => provider.name), attempt };
    if (attempt >= MOST_ATTEMPTS) return log.error(facts, 'sessions that authentik ended are still in the store');
    log.warn(facts, 'sessions that authentik ended could not be removed; trying again');
    await new Promise<void>((resolve) => void timers.after(backoff.next(), resolve));
  }
}
