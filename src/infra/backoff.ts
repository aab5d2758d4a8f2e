// How long to wait before something is tried again: twice as long each time, up to a bound. Part of it is left out at random,
// so that a fleet that lost the same server does not come back to it in one instant.

export interface BackoffOptions {
  /** Milliseconds: the first wait, and the longest. */
  readonly first: number;
  readonly longest: number;
  /** Up to this share of a wait is left out, 0 to 1. Default: nothing. */
  readonly jitter?: number;
  /** 0 to 1. */
  readonly random?: () => number;
}

export interface Backoff {
  /** Milliseconds until the next attempt. */
  next(): number;
  /** It has worked: the next wait is the first one again. */
  reset(): void;
}

export function createBackoff(options: BackoffOptions): Backoff {
  let failures = 0;
  return {
    next() {
      failures += 1;
      return waitAfter(failures, options);
    },
    reset() {
      failures = 0;
    },
  };
}

/** For a library that counts by itself. `failures`: in a row, from 1. Whole milliseconds. */
export function waitAfter(
  failures: number,
  { first, longest, jitter = 0, random = Math.random }: BackoffOptions,
): number {
  const wait = Math.min(first * 2 ** (failures - 1), longest);
  return Math.round(jitter === 0 ? wait : wait * (1 - random() * jitter));
}
