// node --import tsx bench/memory.ts: what an idle daemon takes, process by process, with the embedded store and with Redis, with HTTPS and
// without, what a start costs, and what a cached session weighs. Exits with 1 when a budget is missed.
import { measureSession } from './budget-groups.js';
import { type Idle, measureMemory } from './memory-rows.js';
import { installed } from './options.js';
import { progressLine } from './session.js';
import { buildIfStale } from './targets/akprox.js';
import { exitCodeOf, showRow } from './verdict.js';

const progress = progressLine();
const print = (text: string): void => void process.stdout.write(`${text}\n`);
const mib = (bytes: number): string => (bytes / 1_048_576).toFixed(1);

function show({ title, processes, pss, afterLogin, cpuMs }: Idle): void {
  progress('');
  const login = afterLogin === null ? '' : `, after a login ${mib(afterLogin)} MiB`;
  print(`${title}: PSS ${mib(pss)} MiB${login}; CPU from nothing to ready ${cpuMs} ms`);
  for (const [i, memory] of processes.entries()) {
    const { pss: own, private: alone, shared } = memory;
    print(
      `  ${(i === 0 ? 'primary' : 'worker').padEnd(8)} PSS ${mib(own)}, private ${mib(alone)}, shared ${mib(shared)}`,
    );
  }
}

buildIfStale();
if (!installed('redis-server')) print('left out, redis-server is not installed: Redis');
const rows = await measureMemory(progress, show);
progress('a cached session');
rows.push(...(await measureSession()));
progress('');
for (const row of rows) print(showRow(row));
print(`Node.js ${process.version}, ${process.platform} ${process.arch}`);
process.exitCode = exitCodeOf(rows);
