// When a listening socket is best closed of which another process has its own on the same port: the kernel resets the connections that
// wait there, and others come at any time. Each turn of the event loop accepts all that wait, so the end of a short turn is a
// moment at which next to nobody does. (`net.ipv4.tcp_migrate_req` would move those too.)

/** In milliseconds. */
const SHORT = 0.03;
const LONGEST_WAIT = 250;

/** Resolves at the end of a turn without work, or after a while. `now`: milliseconds, and fractions of them. */
export async function quietTurn(now: () => number): Promise<void> {
  const end = now() + LONGEST_WAIT;
  for (let before = now(), after = before; ; before = after) {
    await new Promise(setImmediate);
    after = now();
    if (after - before < SHORT || after > end) return;
  }
}
