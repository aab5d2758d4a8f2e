// The attempts whose callback this worker has seen: a code is redeemed once, however often the browser, a proxy or somebody with
// too much time repeats the callback. The identity provider may end a grant whose code comes twice (RFC 6749 §4.1.2).
// Bounded: an attempt that was pushed out costs one more token request.
import type { Application } from '../application/application.js';
import { boundedMap } from '../infra/bounded-map.js';
import { AkproxError, type ErrorCode } from '../infra/errors.js';
import type { Attempt } from './attempt.js';
import type { Reply } from './exchange.js';

export interface LoginEnd {
  readonly how: 'succeeded' | ErrorCode;
  /** Of the line in the log that says why it failed; null when there is none. */
  readonly reference: string | null;
}

const MOST_REMEMBERED = 10_000;
/**
 * Logins of one application that are completed at once. Anybody can begin as many as he likes and call back with made-up codes, and
 * while the identity provider is slow each of them holds a connection to it.
 */
const MOST_RUNNING = 256;

export class EndedLogins {
  private readonly ends = boundedMap<string, LoginEnd>(MOST_REMEMBERED);
  /** By application, then by attempt. */
  private readonly running = new Map<string, Map<string, Promise<Reply>>>();

  /** How it ended, or undefined when it has not, as far as this worker knows. */
  endOf(application: Application, attempt: Attempt): LoginEnd | undefined {
    return this.ends.get(keyOf(application, attempt));
  }

  end(application: Application, attempt: Attempt, how: LoginEnd['how'], reference: string | null = null): void {
    this.ends.set(keyOf(application, attempt), { how, reference });
  }

  /**
   * Callbacks of one attempt that come at the same time get the same answer: they came from the same browser. Rejects with
   * `idp_unreachable` when there are too many of others; the attempt may be made again.
   */
  async once(application: Application, attempt: Attempt, complete: () => Promise<Reply>): Promise<Reply> {
    const { id } = application;
    const running = this.running.get(id) ?? new Map<string, Promise<Reply>>();
    const same = running.get(attempt.state);
    if (same !== undefined) return same;
    if (running.size >= MOST_RUNNING)
      throw new AkproxError('idp_unreachable', 'too many logins are being completed at once');
    const completing = complete().finally(() => {
      running.delete(attempt.state);
      if (running.size === 0) this.running.delete(id);
    });
    running.set(attempt.state, completing);
    this.running.set(id, running);
    return completing;
  }
}

/** The state is ours and 43 letters long: an attempt opens only if we sealed it. */
function keyOf(application: Application, attempt: Attempt): string {
  return `${application.id}\0${attempt.state}`;
}
