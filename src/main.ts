#!/usr/bin/env node
// The program: the only file with side effects at the top level. A forked worker starts here too, and the process that reads the
// configuration.
import cluster from 'node:cluster';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Predecessor } from './cluster/predecessor.js';
import type { Read } from './cluster/read-apart.js';
import type { ToServe } from './commands/command.js';
import { explain } from './infra/errors.js';
import { beginSmall } from './infra/heap.js';
import { systemTimers, type Timers } from './infra/timers.js';

const { env } = process;
const cwd = process.cwd();
const args = process.argv.slice(2);
/** This very file: a link by which it was started may lead to another version by now. */
const MAIN = fileURLToPath(import.meta.url);
/** Of the process that reads the configuration; what the daemon needs to start besides comes with the second one. */
const [READ, AT_START] = ['--read-configuration', '--at-start'];

// The daemon, its workers and its reader; what another command does may be long.
if (args.every((arg, i) => arg.startsWith('--config') || args[i - 1] === '--config') || args[0] === READ) beginSmall();

/** Without reading it here: the daemon that is to serve it keeps nothing of what that needs. */
async function readConfiguration(file: string | undefined, timers: Timers | null, ...more: string[]): Promise<Read> {
  const { readApart } = await import('./cluster/read-apart.js');
  return readApart({ program: MAIN, args: [READ, file ?? '', ...more], env, file }, timers);
}

// Of a daemon that this process is to replace (SIGUSR2). Nobody else is to see that in the environment.
const startedBy = env['AKPROX_PREDECESSOR'];
delete env['AKPROX_PREDECESSOR'];

/** It may have ended by now. */
async function meetPredecessor(): Promise<Predecessor | null> {
  if (process.send === undefined || startedBy === undefined) return null;
  const { Predecessor } = await import('./cluster/predecessor.js');
  return new Predecessor(process);
}

/** For a successor: by the path that it was started by where that is known, which may be a link to another version by then. */
function program(): { command: string; args: string[]; environment: NodeJS.ProcessEnv } {
  const command = isAbsolute(process.argv0) ? process.argv0 : process.execPath;
  return { command, args: [...process.execArgv, ...process.argv.slice(1)], environment: env };
}

// Loaded on demand: `akprox check` and the container probe need neither uWebSockets.js nor a store, a worker no schema.
async function serve({ loaded, selfSigned, file }: ToServe, predecessor: Predecessor | null): Promise<number> {
  // For the workers: glibc would give every thread of V8's an arena of its own, with room that no other can use.
  env['MALLOC_ARENA_MAX'] ??= '2';
  const primary = await import('./cluster/primary.js');
  const { pid } = process;
  const origin = { pid, notifies: 'NOTIFY_SOCKET' in env, isUnit: env['SYSTEMD_EXEC_PID'] === String(pid) };
  const reload = async () => (await readConfiguration(file, systemTimers)).result;
  return primary.serve({ ...loaded, selfSigned, reload, predecessor, main: MAIN, program: program(), origin });
}

/** Whoever reads may have seen enough (`akprox status | head`). What cannot be written otherwise, to a full disk, is a failure. */
function print(stream: NodeJS.WriteStream, text: string): void {
  if (stream.listenerCount('error') === 0)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') return;
      process.exitCode = 1;
      if (stream !== process.stderr)
        print(process.stderr, `akprox: what is printed cannot be written: ${explain(error)}\n`);
    });
  stream.write(text);
}

/** What it prints on standard error is why it failed. */
async function runCommand(predecessor: Predecessor | null): Promise<number> {
  let complaint = '';
  const complain = (text: string): void => {
    complaint += text;
    print(process.stderr, text);
  };
  let code = 1;
  try {
    const { run } = await import('./commands/command-line.js');
    code = await run(args, {
      env,
      cwd,
      stdout: (text) => print(process.stdout, text),
      stderr: complain,
      read: (config) => readConfiguration(config, null, AT_START),
      serve: (toServe) => serve(toServe, predecessor),
    });
  } catch (error) {
    complain(`akprox: ${explain(error)}\n`);
  }
  if (complaint !== '') await predecessor?.tell({ type: 'failed', message: complaint });
  predecessor?.close();
  return code;
}

try {
  if (cluster.isWorker) {
    await (await import('./cluster/start-worker.js')).startWorker();
  } else if (args[0] === READ && process.send !== undefined) {
    const { answerReader } = await import('./cluster/reader-process.js');
    const [, file, when] = args;
    await answerReader({ env, cwd, ...(file && { file }) }, when === AT_START);
  } else process.exitCode = (await runCommand(await meetPredecessor())) || (process.exitCode ?? 0);
} catch (error) {
  process.stderr.write(`akprox: ${explain(error)}\n`);
  process.exitCode = 1;
  // The channel to the primary would keep a worker that cannot serve.
  if (cluster.isWorker) process.exit();
}
