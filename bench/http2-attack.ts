// node --import tsx bench/http2-attack.ts [--minutes 10] [--size 10000] [--only ATTACK]...: two workers under attacks on HTTP/2 of the public
// kind, on the loopback address, while others ask checks over HTTPS and over HTTP. Exits with 1 when a worker was lost, a check of the
// others failed, or memory rose while an attack was at its height.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Daemon, startDaemon, testProvider } from '../test/kit/daemon.js';
import { endsWithTest } from '../test/kit/ends-with-test.js';
import { askOf, ChaosLoad } from './chaos-load.js';
import { ATTACKS, type Attack, type Tally } from './http2-attacks.js';
import { openMint } from './mint.js';
import { Others } from './others.js';
import { percentile } from './percentiles.js';
import { childrenOf, residentBytes } from './processes.js';
import { SCENARIOS } from './scenarios.js';
import { buildIfStale } from './targets/akprox.js';
import { type Reading, trendOf } from './trend.js';

const MIB = 1_048_576;
const ISSUER = 'http://127.0.0.1:9';
const ATTACKER = fileURLToPath(new URL('http2-attacker.ts', import.meta.url));
const WORKERS = 2;
const WARM_UP = 1 / 3;
/** That the line through the readings behind the warm-up may rise, of both workers together. */
const LIMIT = 24 * MIB;
const READ_MS = 500;
/** Behind an attack, for connections to be gone. */
const CALM_MS = 3_000;
/** For an attack to be at its height. */
const RISE_MS = 240_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    size: { type: 'string', default: '10000' },
    only: { type: 'string', multiple: true, default: [] },
  },
});
const names = ATTACKS.map(({ name }) => name);
const unknown = values.only.find((name) => !names.includes(name));
if (unknown !== undefined) throw new Error(`--only: ${names.join(', ')}, not ${unknown}`);
const chosen = ATTACKS.filter(({ name }) => values.only.length === 0 || values.only.includes(name));
const seconds = (Number(values.minutes) * 60) / chosen.length;
const size = Number(values.size);
if (!(seconds > 0) || !(size > 0)) throw new Error('--minutes and --size are numbers above 0');

const print = (text: string): void => console.log(text);
let failed = false;
buildIfStale();
const directory = mkdtempSync(join(tmpdir(), 'akprox-attack-'));
const closers: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
try {
  await attackAll();
} finally {
  for (const close of closers.toReversed()) await close();
}
print(failed ? 'FAIL' : 'ok');
process.exitCode = failed ? 1 : 0;

async function attackAll(): Promise<void> {
  const store = { kind: 'embedded', path: join(directory, 'data') };
  const daemon = await startDaemon({
    workers: WORKERS,
    store,
    providers: [testProvider(ISSUER, { access: { groups: ['staff'] } })],
    listen: { https: '127.0.0.1:0' },
  });
  closers.push(() => daemon[Symbol.asyncDispose]());
  const mint = await openMint(ISSUER, store, 86_400_000);
  closers.push(() => mint.close());
  const [cookie = ''] = await mint.mint(1);
  print(
    `${WORKERS} workers, ${chosen.length} attacks of ${seconds.toFixed(0)} s, ${size} where one keeps things open; Node ${process.version}, load average ${loadavg()[0]?.toFixed(1)}`,
  );
  for (const attack of chosen) await tryOut(daemon, attack, cookie);
  const lost = await daemon.metric('akprox_worker_restarts_total');
  print(`workers lost: ${lost}`);
  failed ||= lost > 0;
}

async function tryOut(daemon: Daemon, attack: Attack, cookie: string): Promise<void> {
  const pids = childrenOf(daemon.child.pid ?? 0);
  const headers = SCENARIOS[0]?.headers(cookie) ?? {};
  const overHttps = new Others(daemon.https ?? '', headers);
  const overHttp = new ChaosLoad(daemon.http, () => askOf(cookie, 'user-1'), 4);
  const memory = (): number => residentBytes(pids) ?? Number.NaN;
  overHttps.start();
  overHttp.start();
  await pause(CALM_MS);
  const before = memory();
  const { series, tally } = await besiege(attack, daemon.https ?? '', memory);
  await pause(CALM_MS);
  const after = memory();
  await Promise.all([overHttps.stop(), overHttp.stop()]);

  const lost = pids.filter((pid) => !childrenOf(daemon.child.pid ?? 0).includes(pid)).length;
  const { sent, wrong, unavailable, cut, refused, hung, examples } = overHttp.tally;
  const httpFailed = wrong + unavailable + cut.length + refused.length + hung;
  const { flat, rise } = trendOf(series, WARM_UP, LIMIT);
  const highest = Math.max(...series.map(({ bytes }) => bytes));
  // V8 gives pages back and takes them again: what was there already is no rise.
  const known = Math.max(before, ...series.slice(0, series.length * WARM_UP).map(({ bytes }) => bytes));
  const isFlat = flat || highest <= known + LIMIT;
  const problems = [
    ...(lost > 0 ? [`${lost} workers were lost`] : []),
    ...(overHttps.failed + httpFailed > 0 ? ['checks of others failed'] : []),
    ...(overHttps.asked === 0 || sent === 0 ? ['the others asked nothing'] : []),
    ...(isFlat ? [] : [`memory rose by more than ${LIMIT / MIB} MiB`]),
  ];
  print(`\n${attack.name}: ${attack.title}`);
  print(
    `  sent: ${tally.frames} frames on ${tally.connections} connections${tally.open > 0 ? `, at most ${tally.open} open` : ''}`,
  );
  print(`  workers lost: ${lost}`);
  print(
    `  others: ${overHttps.asked} checks over HTTP/2, ${overHttps.failed} failed, p99 ${percentile(overHttps.times, 0.99).toFixed(1)} ms; ${sent} over HTTP/1.1, ${httpFailed} failed`,
  );
  print(
    `  memory of the workers, MiB: ${mib(before)} before, ${mib(highest)} at most, ${mib(after)} afterwards; at its height the line through ${series.length} readings rises by ${mib(rise)}`,
  );
  for (const example of [...overHttps.examples, ...examples]) print(`    ${example}`);
  for (const problem of problems) print(`  FAIL ${problem}`);
  failed ||= problems.length > 0;
}

/** Runs it, and reads the memory from its height on. */
async function besiege(
  attack: Attack,
  origin: string,
  memory: () => number,
): Promise<{ series: Reading[]; tally: Tally }> {
  const child = endsWithTest(
    fork(ATTACKER, [origin, attack.name, String(size)], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    }),
  );
  await atItsHeight(child);
  const begun = performance.now();
  const series: Reading[] = [];
  while (performance.now() - begun < seconds * 1_000 || series.length < 6) {
    await pause(READ_MS);
    series.push({ checks: performance.now() - begun, bytes: memory() });
  }
  child.send('stop');
  const [tally] = (await once(child, 'message')) as [Tally];
  return { series, tally };
}

async function atItsHeight(child: ChildProcess): Promise<void> {
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('the attacker has ended')));
  const late = pause(RISE_MS, undefined, { ref: false }).then(() =>
    Promise.reject(new Error(`the attack is not at its height within ${RISE_MS / 1_000} s`)),
  );
  ended.catch(() => {});
  late.catch(() => {});
  await Promise.race([once(child, 'message'), ended, late]);
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
