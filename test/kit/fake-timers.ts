// Timers that run when a test moves its clock, in their order, and with what they cause.
import type { Timers } from '../../src/infra/timers.js';

export interface FakeTimers extends Timers {
  /** Moves the clock. */
  advance(ms: number): Promise<void>;
}

/** Milliseconds, as all clocks here. */
export interface MovableClock {
  time: number;
}

export function createFakeTimers(clock: MovableClock): FakeTimers {
  const waiting = new Set<{ readonly due: number; readonly work: () => void }>();
  return {
    after(ms, work) {
      const timer = { due: clock.time + ms, work };
      waiting.add(timer);
      return () => waiting.delete(timer);
    },
    async advance(ms) {
      const end = clock.time + ms;
      await settle();
      for (;;) {
        const [next] = [...waiting].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due);
        if (next === undefined) break;
        waiting.delete(next);
        clock.time = Math.max(clock.time, next.due);
        next.work();
        await settle();
      }
      clock.time = end;
      await settle();
    },
  };
}

/** Lets everything happen that waits for no timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
