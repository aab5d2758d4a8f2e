// Timers as an argument, so that a test can let an hour pass at once. None keeps the process alive.

export interface Timers {
  /** Calls `work` once after `ms`; the result cancels it. */
  after(ms: number, work: () => void): () => void;
}

export const systemTimers: Timers = {
  after(ms, work) {
    const timer = setTimeout(work, ms).unref();
    return () => clearTimeout(timer);
  },
};
