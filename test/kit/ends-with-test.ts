// Child processes of a test. None outlives it, also when it is cancelled: `node --test` ends a file with SIGTERM, Ctrl-C with
// SIGINT, and then no `after` runs.
import type { ChildProcess } from 'node:child_process';

const running = new Map<ChildProcess, () => void>();

/** The child, which gets the signal when this process ends before it. SIGTERM is for those that have children to stop. */
export function endsWithTest<T extends ChildProcess>(child: T, signal: NodeJS.Signals = 'SIGKILL'): T {
  if (running.size === 0) listen();
  running.set(child, () => child.kill(signal));
  child.once('exit', () => running.delete(child));
  return child;
}

/** The leader of a process group of its own, which ends as a whole, also when the leader is gone; the result ends it now. */
export function groupEndsWithTest(leader: ChildProcess): () => void {
  if (running.size === 0) listen();
  const end = (): void => {
    running.delete(leader);
    try {
      if (leader.pid !== undefined) process.kill(-leader.pid, 'SIGKILL');
    } catch {
      // Nobody is left.
    }
  };
  running.set(leader, end);
  return end;
}

let listening = false;
function listen(): void {
  if (listening) return;
  listening = true;
  const endAll = (): void => {
    for (const end of [...running.values()]) end();
  };
  process.once('exit', endAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      endAll();
      // With no listener left, this process ends as it would have without one.
      process.kill(process.pid, signal);
    });
  }
}
