// node --import tsx bench/http2.ts [--seconds 2] [--rounds 5]: what a check costs over HTTP/2, as Traefik asks it (h2load of Debian's
// nghttp2-client): one worker beside node:http2 with no logic, for as many connections and checks in flight as proxies have.
import { execFile } from 'node:child_process';
import { loadavg } from 'node:os';
import { parseArgs, promisify } from 'node:util';
import { request } from '../test/kit/daemon.js';
import { installed, pinning } from './options.js';
import { median } from './percentiles.js';
import { cpuMicros, pin } from './processes.js';
import { CHECK_PATH, record, SCENARIOS } from './scenarios.js';
import { buildIfStale, startOutpost } from './targets/akprox.js';
import { startNodeHttp2, type Target } from './targets/target.js';

/** Connections, and checks in flight on each. */
const SHAPES = [
  [1, 1],
  [4, 1],
  [4, 16],
  [1, 64],
] as const;

const run = promisify(execFile);
const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '2' }, rounds: { type: 'string', default: '5' } },
});
if (!installed('h2load')) throw new Error('h2load is not installed (Debian: nghttp2-client)');
const { serverCpus, loadCpus } = pinning();
const scenario = SCENARIOS.find(({ name }) => name === 'signed-in');
if (scenario === undefined) throw new Error('no scenario signed-in');

interface Sample {
  readonly cpu: number;
  readonly rate: number;
}

buildIfStale();
const outpost = await startOutpost(1, { config: { listen: { https: '127.0.0.1:0' } } });
const headers = scenario.headers(outpost.session);
const answer = record(await request(outpost.url(scenario.name), { headers: { ...headers } }));
const floor = await startNodeHttp2(new Map([[scenario.name, answer]]));
const ours: Target = { ...outpost, url: () => `${outpost.world.daemon.https}${CHECK_PATH}` };
try {
  for (const { pids } of [ours, floor]) pin(pids, serverCpus);
  for (const target of [ours, floor]) await load(target, 4, 16);
  const title = (target: Target): string => target.title.padEnd(26);
  for (const [connections, streams] of SHAPES) {
    const samples = new Map<Target, Sample[]>([ours, floor].map((target) => [target, []]));
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const target of round % 2 === 0 ? [ours, floor] : [floor, ours])
        samples.get(target)?.push(await load(target, connections, streams));
    }
    for (const [target, taken] of samples) {
      const cpus = taken.map(({ cpu }) => cpu);
      const rates = taken.map(({ rate }) => rate);
      process.stdout.write(
        `${connections} connection${connections === 1 ? ' ' : 's'}, ${String(streams).padStart(2)} in flight: ${title(target)} ${median(cpus).toFixed(1)} µs (${Math.min(...cpus).toFixed(1)} to ${Math.max(...cpus).toFixed(1)}), ${Math.round(median(rates))} checks/s\n`,
      );
    }
  }
  process.stdout.write(`load average ${loadavg()[0]?.toFixed(1)}\n`);
} finally {
  await floor.close();
  await outpost.close();
}

async function load(target: Target, connections: number, streams: number): Promise<Sample> {
  const before = cpuMicros(target.pids) ?? 0;
  const args = ['h2load', '-t1', `-c${connections}`, `-m${streams}`, `-D${values.seconds}`];
  for (const [name, value] of Object.entries(headers)) args.push('-H', `${name}: ${value}`);
  args.push(target.url(scenario?.name ?? ''));
  const [program = '', ...rest] = loadCpus === null ? args : ['taskset', '-c', loadCpus, ...args];
  const { stdout } = await run(program, rest);
  const used = (cpuMicros(target.pids) ?? 0) - before;
  const answered = Number(/status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx/.exec(stdout)?.[1] ?? 0);
  if (answered === 0 || /[1-9]\d* (?:failed|errored|timeout)/.test(stdout)) throw new Error(stdout);
  return { cpu: used / answered, rate: answered / Number(values.seconds) };
}
