// What becomes of a worker's place when its worker is gone. One that was ready is replaced at once, however often that happens:
// whoever can make workers die must not also decide how long they stay away. One that never became ready is waited for,
// longer each time, and its wait is nobody else's.
import { createBackoff } from '../infra/backoff.js';

const WAITS = { first: 1_000, longest: 30_000 };

export class Slot {
  readonly place: number;
  private readonly fork: (slot: Slot) => void;
  private readonly backoff = createBackoff(WAITS);
  private timer: NodeJS.Timeout | undefined;

  /** `fork`: fills this place, which is the `place`th from 0. */
  constructor(fork: (slot: Slot) => void, place: number) {
    this.fork = fork;
    this.place = place;
  }

  fill(): void {
    this.fork(this);
  }

  /** Milliseconds until this place is filled again. */
  refill(wasReady: boolean): number {
    if (wasReady) {
      this.backoff.reset();
      this.fill();
      return 0;
    }
    const wait = this.backoff.next();
    // Keeps the process alive: with no worker and no metrics listener nothing else may.
    this.timer = setTimeout(() => this.fill(), wait);
    return wait;
  }

  /** Without this a wait would hold up the end of the process. */
  close(): void {
    clearTimeout(this.timer);
  }
}

/** How a worker ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
}

/**
 * Whether a worker that was never ready would end the same way each time: it gave up by itself, or its machine code cannot
 * run here. What kills from outside (out of memory, an operator) and what keeps it from being forked may pass.
 */
export function isHopeless({ code, signal }: Ending): boolean {
  return (
    code !== null || ['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGSYS', 'SIGTRAP'].includes(signal ?? '')
  );
}
