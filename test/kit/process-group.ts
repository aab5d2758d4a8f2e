// A server with all its children in a process group of its own, which does not outlive the test in any case: a pipe that only the
// test's process holds open closes with it, even after SIGKILL, and a guard in the group then ends the group.
import { spawn } from 'node:child_process';
import { endsWithTest } from './ends-with-test.js';

export interface ProcessGroup {
  /** What it said so far, on both streams. */
  readonly output: () => string;
  /** Resolves when nobody of the group is left to wait for. */
  readonly ended: Promise<void>;
  readonly running: () => boolean;
  /** The whole group; SIGKILL unless told otherwise. Resolves when it has ended. */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** Its own standard input is empty. */
const GUARDED = `
exec 3<&0
"$@" </dev/null 3<&- & server=$!
{ cat <&3; kill -KILL 0; } >/dev/null 2>&1 &
guard=$!
trap 'kill -TERM $server' TERM
while kill -0 $server 2>/dev/null; do wait $server; done
kill -KILL 0
`;

export function startGroup(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ProcessGroup {
  const leader = endsWithTest(
    spawn('sh', ['-c', GUARDED, file, file, ...args], {
      detached: true,
      env: { PATH: process.env['PATH'], ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    }),
    'SIGTERM',
  );
  leader.stdin.on('error', () => undefined);
  let output = '';
  for (const stream of [leader.stdout, leader.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  let running = true;
  const ended = new Promise<void>((resolve) => {
    leader.once('error', (error) => {
      output += error.message;
    });
    leader.once('close', () => {
      running = false;
      resolve();
    });
  });
  return {
    output: () => output,
    ended,
    running: () => running,
    stop: async (signal = 'SIGKILL') => {
      const { pid } = leader;
      if (running && pid !== undefined) {
        try {
          // The leader passes a SIGTERM on; a group signal would reach the guard too.
          process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
        } catch {
          // It ended just now.
        }
      }
      await ended;
    },
  };
}
