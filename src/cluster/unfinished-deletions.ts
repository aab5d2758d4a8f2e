// Sessions that were ended while the store could not delete them (session/refusals.ts). The primary outlives its workers: it sends
// a new one whom to refuse, and deletes them as soon as the store lets it. What it does not know any more after a restart of the
// whole daemon is a session that was ended, could not be deleted, and whose cookie somebody has kept.
import { createBackoff } from '../infra/backoff.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { Revocation } from '../session/revocation.js';
import type { SessionStore } from '../session/store.js';

const PAUSES = { first: 2_000, longest: 60_000 };
const MOST = 100_000;

export interface UnfinishedDeletionsOptions {
  readonly store: () => Promise<Pick<SessionStore, 'delete'>>;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Runs `action` after so many milliseconds; keeps no process alive. */
  readonly after: (milliseconds: number, action: () => void) => void;
  readonly log: Pick<GatedLog, 'info' | 'warn'>;
}

export class UnfinishedDeletions {
  private readonly options: UnfinishedDeletionsOptions;
  /** Key → until when it is refused, Unix milliseconds. */
  private readonly refused = new Map<string, number>();
  private waiting = false;
  private readonly backoff = createBackoff(PAUSES);

  constructor(options: UnfinishedDeletionsOptions) {
    this.options = options;
  }

  get size(): number {
    return this.refused.size;
  }

  add(revocation: Revocation): void {
    const { keys, refusedUntil } = revocation;
    if (refusedUntil === undefined) return;
    for (const key of keys) {
      if (this.refused.size >= MOST && !this.refused.has(key)) {
        this.options.log.warn(
          {},
          'too many sessions wait to be deleted; a worker that starts later does not refuse them all',
        );
        break;
      }
      this.refused.set(key, refusedUntil);
    }
    this.later();
  }

  /** For a worker that starts now. */
  revocations(): Revocation[] {
    const byEnd = new Map<number, string[]>();
    for (const [key, end] of this.refused) byEnd.set(end, [...(byEnd.get(end) ?? []), key]);
    const at = this.options.now();
    return [...byEnd].map(([refusedUntil, keys]) => ({ keys, source: 'sign_out', at, refusedUntil }));
  }

  private later(): void {
    if (this.waiting || this.refused.size === 0) return;
    this.waiting = true;
    this.options.after(this.backoff.next(), () => {
      void this.retry().finally(() => {
        this.waiting = false;
        this.later();
      });
    });
  }

  /** One after the other, until the first that fails. Never rejects. */
  private async retry(): Promise<void> {
    for (const [key, end] of this.refused) {
      try {
        if (this.options.now() < end) {
          const store = await this.options.store();
          await store.delete(key);
        }
      } catch {
        // The worker that was asked to sign out has logged why.
        return;
      }
      this.refused.delete(key);
    }
    this.backoff.reset();
    this.options.log.info({}, 'the sessions that could not be deleted when they were ended are deleted now');
  }
}
