#!/usr/bin/env node
// The program: the only file with side effects at the top level. A forked worker starts here too.
import cluster from 'node:cluster';
import type { Loaded } from './config/load.js';
import { explain } from './infra/errors.js';

const { env } = process;
const cwd = process.cwd();

// Loaded on demand: `akprox check` and the container probe need neither uWebSockets.js nor a store, a worker no schema.
async function serve(loaded: Loaded): Promise<number> {
  // For the workers: glibc would give every thread of V8's an arena of its own, with room that no other can use.
  env['MALLOC_ARENA_MAX'] ??= '2';
  const [primary, { loadConfig }] = await Promise.all([import('./cluster/primary.js'), import('./config/load.js')]);
  return primary.serve({ ...loaded, reload: () => loadConfig({ env, cwd }) });
}

try {
  if (cluster.isWorker) {
    await (await import('./cluster/start-worker.js')).startWorker();
  } else {
    const { run } = await import('./commands/command-line.js');
    process.exitCode = await run(process.argv.slice(2), {
      env,
      cwd,
      stdout: (text) => process.stdout.write(text),
      stderr: (text) => process.stderr.write(text),
      serve,
    });
  }
} catch (error) {
  process.stderr.write(`akprox: ${explain(error)}\n`);
  process.exitCode = 1;
  // The channel to the primary would keep a worker that cannot serve.
  if (cluster.isWorker) process.exit();
}
