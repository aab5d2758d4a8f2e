// The attempts whose callback this worker has seen: a code is redeemed once, however often the browser, a proxy or somebody with
// too much time repeats the callback. The provider may end a grant whose code comes twice (RFC 6749 §4.1.2).
// Bounded: an attempt that was pushed out costs one more token request.
import { LRUCache } from 'lru-cache';
import type { Application } from '../application/application.js';
import type { ErrorCode } from '../infra/errors.js';
import type { Attempt } from './attempt.js';
import type { Reply } from './exchange.js';

export type LoginEnd = 'succeeded' | ErrorCode;

const MOST_REMEMBERED = 10_000;

export class EndedLogins {
  private readonly ends = new LRUCache<string, LoginEnd>({ max: MOST_REMEMBERED });
  private readonly running = new Map<string, Promise<Reply>>();

  /** How it ended, or undefined when it has not, as far as this worker knows. */
  endOf(application: Application, attempt: Attempt): LoginEnd | undefined {
    return this.ends.get(keyOf(application, attempt));
  }

  end(application: Application, attempt: Attempt, how: LoginEnd): void {
    this.ends.set(keyOf(application, attempt), how);
  }

  /** Callbacks of one attempt that come at the same time get the same answer: they came from the same browser. */
  once(application: Application, attempt: Attempt, complete: () => Promise<Reply>): Promise<Reply> {
    const key = keyOf(application, attempt);
    const same = this.running.get(key);
    if (same !== undefined) return same;
    const completing = complete().finally(() => this.running.delete(key));
    this.running.set(key, completing);
    return completing;
  }
}

/** The state is ours and 43 letters long: an attempt opens only if we sealed it. */
function keyOf(application: Application, attempt: Attempt): string {
  return `${application.id}\0${attempt.state}`;
}
