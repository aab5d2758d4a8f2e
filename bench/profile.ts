// node --import tsx bench/profile.ts [--seconds 6]: where the CPU time of a check goes, by perf's clock (Linux, perf and wrk
// installed): our worker for each scenario, beside a handler of uWebSockets.js that writes the same bytes and looks at nothing.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { startRedis } from '../test/kit/redis-server.js';
import { type LoadPlan, load } from './load.js';
import { recordAnswers } from './measure.js';
import { openMint } from './mint.js';
import { installed, pinning } from './options.js';
import { cpuMicros, pin } from './processes.js';
import { SCENARIOS } from './scenarios.js';
import { buildIfStale, startOutpost } from './targets/akprox.js';
import { startFloor, type Target } from './targets/target.js';

const CONNECTIONS = 64;
/** Samples per second; a prime, so that it does not beat with a timer. */
const FREQUENCY = 1_999;
const WARM_UP_S = 3;
const MOST_SYMBOLS = 14;
/** Too many for the cache. */
const SESSIONS = 5_000;

interface Share {
  readonly group: string;
  readonly symbol: string;
  /** Of all samples, 0 to 1. */
  readonly share: number;
}

const run = promisify(execFile);
const { values } = parseArgs({ options: { seconds: { type: 'string', default: '6' } } });
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new Error('--seconds is a number above 0');
for (const program of ['perf', 'wrk']) if (!installed(program)) throw new Error(`${program} is not installed`);

const directory = mkdtempSync(join(tmpdir(), 'akprox-profile-'));
const { serverCpus, loadCpus } = pinning();
const closers: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
try {
  console.log(
    `Node ${process.version}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, wrk, ${CONNECTIONS} connections`,
  );
  buildIfStale();
  // V8 writes down where its compiled functions are; in the process's own temporary directory, which is removed.
  const env = { NODE_OPTIONS: `--perf-basic-prof --interpreted-frames-native-stack` };
  const outpost = await startOutpost(1, { env });
  closers.push(() => outpost.close());
  const answers = await recordAnswers(outpost, SCENARIOS);
  const floor = await startFloor(answers);
  for (const target of floor) closers.push(() => target.close());
  const same = floor.find(({ name }) => name === 'uws-same');
  for (const target of [outpost, ...floor]) pin(target.pids, serverCpus);
  for (const name of ['signed-in', 'no-cookie', 'forged']) {
    const scenario = SCENARIOS.find((other) => other.name === name);
    if (scenario === undefined) throw new Error(`no scenario ${name}`);
    const headers = scenario.headers(outpost.session);
    for (const target of [outpost, ...(same && name === 'signed-in' ? [same] : [])]) {
      await profileScenario(scenario.title, target, { url: target.url(name), headers });
    }
  }
  if (installed('redis-server')) await profileUncached(env);
} finally {
  for (const close of closers.toReversed()) await close();
}

/** The least cache there is, and more sessions than it holds, each asked for in its turn. */
async function profileUncached(env: Record<string, string>): Promise<void> {
  const redis = await startRedis();
  closers.push(() => redis.stop());
  const store = { kind: 'redis', url: redis.url };
  const outpost = await startOutpost(1, { env, config: { store, cache: { max_bytes: 65_536 } } });
  closers.push(() => outpost.close());
  pin(outpost.pids, serverCpus);
  const mint = await openMint(outpost.world.idp.issuer, store, 3_600_000, redis.client);
  closers.push(() => mint.close());
  const cookies = join(directory, 'cookies');
  writeFileSync(cookies, `${(await mint.mint(SESSIONS)).join('\n')}\n`);
  const headers = SCENARIOS.find(({ name }) => name === 'no-cookie')?.headers('') ?? {};
  await profileScenario('signed in, not cached, Redis', outpost, { url: outpost.url('signed-in'), headers, cookies });
}

async function profileScenario(title: string, target: Target, what: Pick<LoadPlan, 'url' | 'headers' | 'cookies'>) {
  const plan = { ...what, connections: CONNECTIONS };
  await load('wrk', { ...plan, seconds: WARM_UP_S }, loadCpus);
  const before = cpuMicros(target.pids) ?? 0;
  const [{ checks }, shares] = await Promise.all([
    load('wrk', { ...plan, seconds: seconds + 1 }, loadCpus),
    profile(target, seconds),
  ]);
  print(title, target, ((cpuMicros(target.pids) ?? 0) - before) / checks, shares);
}

async function profile(target: Target, duration: number): Promise<Share[]> {
  const file = join(directory, 'perf.data');
  const pids = target.pids.join();
  await run('perf', [
    'record',
    '-q',
    '-e',
    'cpu-clock',
    '-F',
    String(FREQUENCY),
    '-p',
    pids,
    '-o',
    file,
    'sleep',
    String(duration),
  ]);
  const options = ['--stdio', '--no-children', '--sort', 'dso,symbol', '-t', '|', '--percent-limit', '0', '-i', file];
  const { stdout } = await run('perf', ['report', '-q', ...options], { maxBuffer: 64 * 1_048_576 });
  return stdout.split('\n').flatMap((line) => {
    const [percent = '', dso = '', symbol = ''] = line.split('|').map((part) => part.trim());
    const share = Number(percent.replace('%', '')) / 100;
    return share > 0 ? [{ group: groupOf(dso), symbol: symbol.replace(/^\[[.k]\] /, ''), share }] : [];
  });
}

function groupOf(dso: string): string {
  if (/kernel|vdso|\[k\]/.test(dso)) return 'kernel';
  if (/^uws_/.test(dso)) return 'uWebSockets.js';
  if (/^perf-\d+\.map$|jit|\[anon\]|^\/\/anon/i.test(dso)) return 'JavaScript, compiled';
  if (/^node$/.test(dso)) return 'node and V8';
  return /libc|libpthread|ld-linux|libstdc/.test(dso) ? 'libc' : 'other';
}

function print(title: string, target: Target, micros: number, shares: readonly Share[]): void {
  const total = shares.reduce((sum, { share }) => sum + share, 0);
  const cost = (share: number): string =>
    `${((share / total) * 100).toFixed(1).padStart(5)} % ${((micros * share) / total).toFixed(2).padStart(7)} µs`;
  console.log(`\n${title}: ${target.title}, ${micros.toFixed(2)} µs of CPU per check`);
  const groups = new Map<string, number>();
  for (const { group, share } of shares) groups.set(group, (groups.get(group) ?? 0) + share);
  for (const [group, share] of [...groups].sort(([, a], [, b]) => b - a)) console.log(`  ${cost(share)}  ${group}`);
  console.log('  the functions that take most:');
  for (const { group, symbol, share } of shares.toSorted((a, b) => b.share - a.share).slice(0, MOST_SYMBOLS)) {
    console.log(`  ${cost(share)}  ${symbol.replace(/file:\S*\/dist\//, '').slice(0, 80)} (${group})`);
  }
}
