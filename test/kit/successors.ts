// SIGUSR2 for a daemon that was started with `succeeds`, and for those that come after it.
import type { Daemon, LogLine } from './daemon.js';

/** The process that serves, or began to at last. */
export function servingPid({ lines }: Daemon): number {
  return Number(lines.filter(({ msg }) => msg === 'listening').at(-1)?.['pid']);
}

/** A new line that fits, after SIGUSR2 to the daemon that serves. */
export function succeed(daemon: Daemon, fits: (line: LogLine) => boolean): Promise<LogLine> {
  const before = daemon.lines.length;
  process.kill(servingPid(daemon), 'SIGUSR2');
  return daemon.waitFor((line) => daemon.lines.indexOf(line) >= before && fits(line));
}

/** Resolves when a successor serves in the place of the daemon that serves now. */
export async function replaced(daemon: Daemon): Promise<void> {
  const former = servingPid(daemon);
  await succeed(daemon, ({ msg, pid }) => msg === 'the successor serves; draining' && pid === former);
  await daemon.waitFor(({ msg, pid }) => msg === 'listening' && pid !== former && pid === servingPid(daemon));
}
