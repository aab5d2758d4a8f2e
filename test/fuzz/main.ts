// node --import tsx test/fuzz/main.ts [--requests 1000000] [--seed N] [--watchdog 120]: hostile requests against the built daemon,
// on every listener, and an oracle that knows what may be answered. Prints its figures; exits with 1 when anything was wrong.
import { parseArgs } from 'node:util';
import { childrenOf, residentBytes } from '../../bench/processes.js';
import { type Reading, trendOf } from '../../bench/trend.js';
import { lanesOf } from './lanes.js';
import { aftermath, fuzz } from './run.js';
import { startFuzzWorld } from './world.js';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '1000000' },
    seed: { type: 'string' },
    watchdog: { type: 'string', default: '120' },
  },
});
const requests = Number(values.requests);
const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
if (!(requests > 0) || !Number.isInteger(seed))
  throw new Error('--requests is a number above 0, --seed a whole number');

const MIB = 1_048_576;
/** Caches, gates and V8's own heap fill first. */
const WARM_UP = 1 / 3;
/** Over the rest of the run. One leaked object of 100 bytes a request would be 60 MiB in a million. */
const LIMIT = 32 * MIB;
/** With fewer there is nothing to see but the warm-up. */
const READINGS_FROM = 300_000;

await using world = await startFuzzWorld();
const workers = childrenOf(world.daemon.child.pid ?? 0);
console.log(`seed ${seed}, ${requests} requests, ${workers.length} workers; Node ${process.version}`);
const memory: Reading[] = [];
const started = performance.now();
const figures = await fuzz(world, {
  seed,
  requests,
  lanes: lanesOf(world, Number(values.watchdog) * 1_000),
  progress: (soFar) => {
    const bytes = residentBytes(workers);
    if (bytes !== null) memory.push({ checks: soFar, bytes });
    if (process.stderr.isTTY) process.stderr.write(`\r${soFar} `);
  },
});
const seconds = (performance.now() - started) / 1_000;
const wrong = await aftermath(world, workers, childrenOf(world.daemon.child.pid ?? 0));
const lost = [world.daemon, world.onNode]
  .flatMap((daemon) => daemon?.lines ?? [])
  .filter(({ msg }) => msg === 'a worker died').length;

console.log(
  `${figures.requests} requests in ${seconds.toFixed(0)} s, ${Math.round(figures.requests / seconds)} a second`,
);
for (const [key, count] of [...figures.counts].sort()) console.log(`  ${key.padEnd(34)}${String(count).padStart(9)}`);
console.log(
  `${figures.answers} answers, ${figures.ended} ends of a connection instead, ${figures.more} answers to bytes behind a request`,
);
console.log(
  `${figures.unjustified} unjustified 2xx, ${lost} lost workers, ${figures.hangs} hangs, ${figures.offSite} Locations off site, ${figures.faults} undocumented 5xx, ${figures.complained} complaints in all`,
);
for (const text of [...figures.complaints, ...wrong]) console.log(text);
let failed = figures.complained > 0 || wrong.length > 0;
if (memory.length > 0 && requests >= READINGS_FROM) {
  const tenths = memory.filter((_, at) => at % Math.ceil(memory.length / 10) === 0);
  console.log(`memory, MiB: ${tenths.map(({ checks, bytes }) => `${checks}: ${Math.round(bytes / MIB)}`).join(', ')}`);
  const { flat, mean, rise, readings } = trendOf(memory, WARM_UP, LIMIT);
  const [m, up] = [mean, rise].map((bytes) => (bytes / MIB).toFixed(1));
  console.log(
    `${flat ? 'ok  ' : 'FAIL'} memory: workers ${m} MiB together, the line through ${readings} readings after the first third rises by ${up} MiB, limit ${LIMIT / MIB}`,
  );
  failed ||= !flat;
}
console.log(failed ? 'FAIL' : 'ok');
process.exitCode = failed ? 1 : 0;
