// node --import tsx bench/engines.ts [--seconds 2] [--rounds 5] [--connections 64]: what a signed-in check costs a worker by each engine of
// listen.http, beside node:http with no logic. On a Node.js without uWebSockets.js, by node:http only.
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { request } from '../test/kit/daemon.js';
import { ENGINE, startOnNodeHttp } from '../test/kit/on-node-http.js';
import { load } from './load.js';
import { installed, pinning } from './options.js';
import { median } from './percentiles.js';
import { childrenOf, cpuMicros, pin } from './processes.js';
import { CHECK_PATH, record, SCENARIOS } from './scenarios.js';
import { buildIfStale, startOutpost } from './targets/akprox.js';
import { startNodeHttp, type Target } from './targets/target.js';

interface Sample {
  readonly cpu: number;
  readonly rate: number;
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '2' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '64' },
  },
});
const { serverCpus, loadCpus } = pinning();
const generator = installed('wrk') ? 'wrk' : 'autocannon';
const scenario = SCENARIOS.find(({ name }) => name === 'signed-in');
if (scenario === undefined) throw new Error('no scenario signed-in');

buildIfStale();
const outpost = await startOutpost(1);
const headers = scenario.headers(outpost.session);
const answer = record(await request(outpost.url(scenario.name), { headers: { ...headers } }));
const floor = await startNodeHttp(new Map([[scenario.name, answer]]));
const targets: Target[] = [{ ...outpost, title: `akprox on ${ENGINE}` }];
if (ENGINE === 'uWebSockets.js') {
  const onNode = await startOnNodeHttp(outpost.world.daemon, 1);
  targets.push({
    ...outpost,
    title: 'akprox on node:http',
    url: () => onNode.http + CHECK_PATH,
    pids: childrenOf(onNode.child.pid ?? 0),
    close: () => onNode[Symbol.asyncDispose](),
  });
}
targets.push(floor);
try {
  for (const { pids } of targets) pin(pids, serverCpus);
  for (const target of targets) await measure(target);
  const samples = new Map<Target, Sample[]>(targets.map((target) => [target, []]));
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const target of round % 2 === 0 ? targets : targets.toReversed())
      samples.get(target)?.push(await measure(target));
  }
  for (const [{ title }, taken] of samples) {
    const cpus = taken.map(({ cpu }) => cpu);
    process.stdout.write(
      `${title.padEnd(26)} ${median(cpus).toFixed(1)} µs of CPU per check (${Math.min(...cpus).toFixed(1)} to ${Math.max(...cpus).toFixed(1)}), ${Math.round(median(taken.map(({ rate }) => rate)))} checks/s\n`,
    );
  }
  process.stdout.write(`Node.js ${process.version}, ${generator}, load average ${loadavg()[0]?.toFixed(1)}\n`);
} finally {
  for (const target of targets.toReversed()) await target.close();
}

async function measure(target: Target): Promise<Sample> {
  const before = cpuMicros(target.pids) ?? 0;
  const seconds = Number(values.seconds);
  const plan = { url: target.url('signed-in'), headers, connections: Number(values.connections), seconds };
  const { checks, failures, errors } = await load(generator, plan, loadCpus);
  if (checks === 0 || failures > 0 || errors > 0)
    throw new Error(`${target.title}: ${failures} failures, ${errors} errors`);
  return { cpu: ((cpuMicros(target.pids) ?? 0) - before) / checks, rate: checks / seconds };
}
