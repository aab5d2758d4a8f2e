// Whether something that others can cause, a log line or a report, may happen once more: once in a period for a key, and so many
// times together. What is kept is bounded by that number, whatever keys a client makes up.
import { copyString } from './copy-string.js';

export interface RateGateOptions {
  /** Milliseconds. */
  readonly period: number;
  /** In any `period`, of all keys together. */
  readonly most: number;
  /** Milliseconds. */
  readonly monotonic: () => number;
}

export interface RateGate {
  /** What `admit` would answer; counts nothing. */
  isOpen(key: string): boolean;
  /** True, and counted. False: `key` was admitted less than a period ago, or `most` others were. */
  admit(key: string): boolean;
}

export function createRateGate({ period, most, monotonic }: RateGateOptions): RateGate {
  /** Until when a key is not admitted again; the oldest stands first. */
  const shut = new Map<string, number>();

  function isOpen(key: string): boolean {
    const time = monotonic();
    for (const [other, until] of shut) {
      if (time < until) break;
      shut.delete(other);
    }
    return shut.size < most && !shut.has(key);
  }

  return {
    isOpen,
    admit(key) {
      if (!isOpen(key)) return false;
      shut.set(copyString(key), monotonic() + period);
      return true;
    },
  };
}
