// The demo's child processes. Each leads a process group of its own: Ctrl-C in the terminal reaches the demo alone, which
// then stops them in order, and a group can be ended whole, so that no worker is left behind.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';

export interface Child {
  /** Resolves with how it ended: `exit code 1`, `SIGKILL`, or why it could not be started. */
  readonly ended: Promise<string>;
  /** Its last lines of output. */
  tail(): string;
  /** SIGTERM, and SIGKILL for the whole group when that does not help in time. */
  stop(): Promise<void>;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes everything that it says. */
  readonly log: string;
}

const TAIL_CHARACTERS = 8_000;
const TAIL_LINES = 20;
const PATIENCE = 20_000;
const running = new Set<ChildProcess>();

export function startChild({ file, args, env, log }: Command): Child {
  const process = spawn(file, args, { detached: true, env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(process);
  const output = createWriteStream(log, { flags: 'a' });
  output.on('error', () => {}); // a full disk must not end the demo
  let tail = '';
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString()).slice(-TAIL_CHARACTERS);
      output.write(chunk);
    });
  }
  // A leader that was killed leaves a group behind.
  process.once('exit', () => kill(process));
  const ended = new Promise<string>((resolve) => {
    process.once('error', (error) => resolve(error.message));
    process.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  void ended.then(() => {
    running.delete(process);
    output.end();
  });
  return {
    ended,
    tail: () => tail.trimEnd().split('\n').slice(-TAIL_LINES).join('\n'),
    stop: async () => {
      process.kill('SIGTERM');
      const impatience = setTimeout(() => kill(process), PATIENCE);
      await ended;
      clearTimeout(impatience);
    },
  };
}

/** For the way out, where nothing can be awaited. */
export function killChildren(): void {
  for (const process of running) kill(process);
}

function kill({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody is left.
  }
}
