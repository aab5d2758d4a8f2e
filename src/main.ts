#!/usr/bin/env node
// The program: the only file with side effects at the top level. A forked worker starts here too, and the process that reads the
// configuration.
import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Read } from './cluster/read-apart.js';
import type { ToServe } from './commands/command.js';
import { explain } from './infra/errors.js';
import { beginSmall } from './infra/heap.js';

const { env } = process;
const cwd = process.cwd();
const args = process.argv.slice(2);
/** Of the process that reads the configuration; what the daemon needs to start besides comes with the second one. */
const [READ, AT_START] = ['--read-configuration', '--at-start'];

// The daemon, its workers and its reader; what another command does may be long.
if (args.every((arg, i) => arg.startsWith('--config') || args[i - 1] === '--config') || args[0] === READ) beginSmall();

/** Without reading it here: the daemon that is to serve it keeps nothing of what that needs. */
async function readConfiguration(file: string | undefined, ...more: string[]): Promise<Read> {
  const { readApart } = await import('./cluster/read-apart.js');
  return readApart({ program: fileURLToPath(import.meta.url), args: [READ, file ?? '', ...more], env, file });
}

// Loaded on demand: `akprox check` and the container probe need neither uWebSockets.js nor a store, a worker no schema.
async function serve({ loaded, selfSigned, file }: ToServe): Promise<number> {
  // For the workers: glibc would give every thread of V8's an arena of its own, with room that no other can use.
  env['MALLOC_ARENA_MAX'] ??= '2';
  const primary = await import('./cluster/primary.js');
  return primary.serve({ ...loaded, selfSigned, reload: async () => (await readConfiguration(file)).result });
}

try {
  if (cluster.isWorker) {
    await (await import('./cluster/start-worker.js')).startWorker();
  } else if (args[0] === READ && process.send !== undefined) {
    const { answerReader } = await import('./cluster/reader-process.js');
    const [, file, when] = args;
    await answerReader({ env, cwd, ...(file && { file }) }, when === AT_START);
  } else {
    const { run } = await import('./commands/command-line.js');
    process.exitCode = await run(args, {
      env,
      cwd,
      stdout: (text) => process.stdout.write(text),
      stderr: (text) => process.stderr.write(text),
      read: (config) => readConfiguration(config, AT_START),
      serve,
    });
  }
} catch (error) {
  process.stderr.write(`akprox: ${explain(error)}\n`);
  process.exitCode = 1;
  // The channel to the primary would keep a worker that cannot serve.
  if (cluster.isWorker) process.exit();
}
