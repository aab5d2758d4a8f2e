/**
 * How long a test waits for what has to come, in milliseconds. It is no measure of how fast that is: only what never comes takes
 * so long, however busy the machine is.
 */
export const PATIENCE_MS = 60_000;

/** Polls until it holds; an exception counts as "not yet". */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (let problem: unknown; ; ) {
    try {
      if (await holds()) return;
    } catch (error) {
      problem = error;
    }
    if (performance.now() > deadline) throw new Error(`not so within ${PATIENCE_MS} ms: ${holds}`, { cause: problem });
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Whether a promise settles without waiting for a timer or an answer from elsewhere: within a few turns of the event loop. */
export async function settlesAtOnce(work: Promise<unknown>): Promise<boolean> {
  let settled = false;
  work.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  for (let turn = 0; turn < 20 && !settled; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  return settled;
}
