// What every command is given, what it answers with, and how it says that it was called wrongly. Everything from outside comes in
// through `io`: a command never touches `process`, so that each can be tested.

import type { Pem } from '../cluster/messages.js';
import type { Read } from '../cluster/read-apart.js';
import type { Env, ReadFile } from '../config/environment.js';
import type { Loaded, LoadOptions, LoadResult } from '../config/load.js';
import { formatProblem, type Problem } from '../config/problems.js';

export interface Io {
  readonly env: Env;
  readonly cwd: string;
  /** The configuration file that the command line names. */
  readonly config?: string;
  readonly readFile?: ReadFile;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Reads the configuration in a process of its own, for the daemon that is to run it. `config`: as above. */
  readonly read: (config: string | undefined) => Promise<Read>;
  /** Runs the daemon until it is told to stop; resolves with the exit code. */
  readonly serve: (toServe: ToServe) => Promise<number>;
}

export interface ToServe {
  readonly loaded: Loaded;
  readonly selfSigned: Pem | null;
  /** What the command line names, to be read again. */
  readonly file: string | undefined;
}

export interface Command {
  readonly name: string;
  readonly summary: string;
  /** What `--help` behind the name prints; without it, the summary. */
  readonly help?: () => Promise<string>;
  /** `args` is what stands behind the name. Resolves with the exit code; throws what `parseArgs` throws. */
  readonly run: (args: string[], io: Io) => Promise<number> | number;
}

// Exit codes.
export const OK = 0;
export const FAILED = 1;
const USAGE = 2;

/** Says what is wrong with the arguments, and where to read on. */
export function usage(message: string, io: Pick<Io, 'stderr'>, command?: string): number {
  // node's hint about `--` helps nobody here.
  const problem = message.replace(/\. To specify a positional.*$/s, '');
  io.stderr(`akprox: ${problem}\nTry 'akprox ${command === undefined ? '' : `${command} `}--help'.\n`);
  return USAGE;
}

/** The configuration, or null after every problem with it has been printed. */
export async function loadOrPrint(io: Io): Promise<Loaded | null> {
  const { loadConfig } = await import('../config/load.js');
  return loadedOrPrinted(loadConfig(sourcesOf(io)), io);
}

/** The same of what has been read. */
export function loadedOrPrinted(result: LoadResult, io: Io): Loaded | null {
  if (result.ok) return result;
  printProblems(result.problems, io);
  return null;
}

export function printProblems(problems: readonly Problem[], io: Pick<Io, 'stderr'>): void {
  for (const problem of problems) io.stderr(`${formatProblem(problem)}\n`);
  io.stderr(`${counted(problems.length, 'problem')}\n`);
}

/** Where the configuration is read from. */
export function sourcesOf(io: Io): LoadOptions {
  const { env, cwd, readFile, config } = io;
  return { env, cwd, ...(config !== undefined && { file: config }), ...(readFile && { readFile }) };
}

export function counted(count: number, noun: string): string {
  return `${count} ${count === 1 ? noun : `${noun}s`}`;
}
