// Has the configuration read by a process of its own (reader-process.ts), which ends with its answer.
import { fork } from 'node:child_process';
import type { Env } from '../config/environment.js';
import type { LoadResult } from '../config/load.js';
import { AkproxError } from '../infra/errors.js';
import type { Timers } from '../infra/timers.js';
import type { Pem } from './messages.js';

export interface Read {
  readonly result: LoadResult;
  /** The certificate of an HTTPS listener without one of its own; null when there is none, or when the daemon runs already. */
  readonly selfSigned: Pem | null;
}

export type ReaderAnswer = Read | { readonly failure: string };

export interface Reader {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Env;
  /** Of the configuration, when the command line names it. */
  readonly file: string | undefined;
}

/** For a daemon that runs: until it has been read nobody can have it read again. At a start somebody may have to type a password first. */
const PATIENCE = 60_000;
const TOO_LONG = `it took longer than ${PATIENCE / 1_000} s: a file of it, or of a secret that it names, is a pipe into which nobody writes, or lies where nobody answers`;

/** `program` with `args` answers. Rejects when it cannot be started, ends without an answer or, with `timers`, takes too long. */
export async function readApart({ program, args, env, file }: Reader, timers: Timers | null): Promise<Read> {
  const child = fork(program, args, {
    env: { ...env },
    execArgv: process.execArgv.filter((option) => !option.startsWith('--inspect')),
    // JSON has no `undefined`.
    serialization: 'advanced',
    stdio: ['inherit', 'ignore', 'inherit', 'ipc', ...descriptors([file, ...Object.values(env)])],
  });
  const answer = await new Promise<ReaderAnswer>((resolve, reject) => {
    const cancel = timers?.after(PATIENCE, () => {
      child.kill('SIGKILL');
      reject(new AkproxError('internal', TOO_LONG));
    });
    child.once('exit', () => cancel?.());
    child.once('message', (message) => resolve(message as ReaderAnswer));
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      const how = signal ?? `exit code ${code}`;
      reject(new AkproxError('internal', `the process that reads the configuration ended without it (${how})`));
    });
  });
  if ('failure' in answer) throw new AkproxError('internal', `the configuration cannot be read: ${answer.failure}`);
  return answer;
}

/** Node.js hands none on by itself, and the shell's `AKPROX_CONFIG=<(…)` is one. From number 4 on: the channel has the third. */
function descriptors(files: readonly (string | undefined)[]): ('ignore' | number)[] {
  const named = files.map((value) => Number(/^\/(?:dev|proc\/self)\/fd\/(\d{1,3})$/.exec(value ?? '')?.[1]));
  const wanted = new Set(named.filter((descriptor) => descriptor > 3));
  return Array.from({ length: Math.max(3, ...wanted) - 3 }, (_, i) => (wanted.has(i + 4) ? i + 4 : 'ignore'));
}
