// node --import tsx bench/soak.ts [--checks 20000000] [--sessions 200000]: does anything survive a check?
// One worker under load while sessions come and go: minted into its store, asked for by Zipf's law, signed out through the
// daemon, and asked for again. Among them forged cookies and none at all. Prints the worker's and the primary's memory, and
// exits with 1 when a line through the readings after the warm-up rises by more than the limit, or an answer was wrong.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { request } from '../test/kit/daemon.js';
import { startRedis } from '../test/kit/redis-server.js';
import { APP, startWorld } from '../test/kit/world.js';
import { load } from './load.js';
import { openMint, zipf } from './mint.js';
import { installed, pinning } from './options.js';
import { childrenOf, pin, residentBytes } from './processes.js';
import { CHECK_PATH, SCENARIOS } from './scenarios.js';
import { progressLine } from './session.js';
import { buildIfStale } from './targets/akprox.js';
import { type Reading, trendOf } from './trend.js';

const MIB = 1_048_576;
/** Sessions that are signed in at a time. */
const LIVE = 10_000;
/** Cookies written down for one slice; they are sent in turn. */
const LINES = 20_000;
const SLICE_S = 3;
/** Small enough to be full before the warm-up is over: a cache that is still filling is no leak. */
const CACHE_BYTES = 16 * MIB;
const WARM_UP = 1 / 3;
/** Over the whole rest of the run. One leaked byte per check of 20 million would be 13 MiB. */
const LIMIT = 6 * MIB;

const { values } = parseArgs({
  options: { checks: { type: 'string', default: '20000000' }, sessions: { type: 'string' } },
});
const checksWanted = Number(values.checks);
const sessionsWanted = Number(values.sessions ?? checksWanted / 100);
if (!(checksWanted > 0) || !(sessionsWanted > 0)) throw new Error('--checks and --sessions are numbers above 0');

const print = (text: string): void => console.log(text);
const progress = progressLine();
const closers: (() => unknown)[] = [];
try {
  await soak();
} finally {
  for (const close of closers.toReversed()) await close();
}

async function soak(): Promise<void> {
  buildIfStale();
  const generator = installed('wrk') ? 'wrk' : 'autocannon';
  const { serverCpus, loadCpus } = pinning();
  const directory = mkdtempSync(join(tmpdir(), 'akprox-soak-'));
  closers.push(() => rmSync(directory, { recursive: true, force: true }));
  let store: Record<string, unknown> = { kind: 'embedded', path: join(directory, 'data') };
  if (installed('redis-server')) {
    const redis = await startRedis();
    closers.push(() => redis.stop());
    store = { kind: 'redis', url: redis.url };
  }
  const world = await startWorld({ config: { workers: 1, store, cache: { max_bytes: CACHE_BYTES } } });
  closers.push(() => world[Symbol.asyncDispose]());
  const primary = [world.daemon.child.pid ?? 0];
  const worker = childrenOf(primary[0] ?? 0);
  pin(worker, serverCpus);
  const mint = await openMint(world.idp.issuer, store, 86_400_000);
  closers.push(() => mint.close());

  const [signedIn, noCookie, forged] = ['signed-in', 'no-cookie', 'forged'].map((name) =>
    SCENARIOS.find((scenario) => scenario.name === name),
  );
  if (!signedIn || !noCookie || !forged) throw new Error('a scenario is missing');
  const cookies = join(directory, 'cookies');
  const live = await mint.mint(LIVE);
  let ended: string[] = [];
  let came = LIVE;
  let gone = 0;
  /** 17 of 20 checks by a session that is live when the slice begins; one forged, one ended, one without a cookie. */
  const writeCookies = (): void => {
    const pick = (from: readonly string[]): string => from[zipf(from.length, Math.random())] ?? '-';
    const lines = Array.from({ length: LINES }, (_, i) => {
      if (i % 20 === 0) return '-';
      if (i % 20 === 1) return forged.headers(pick(live))['Cookie'] ?? '-';
      return i % 20 === 2 && ended.length > 0 ? pick(ended) : pick(live);
    });
    writeFileSync(cookies, `${lines.join('\n')}\n`);
  };
  /** The oldest are signed out, as a browser does it, and new ones take their place. */
  const churn = async (count: number): Promise<void> => {
    const fresh = await mint.mint(count);
    const out = live.splice(-count);
    for (let i = 0; i < out.length; i += 20) {
      await Promise.all(out.slice(i, i + 20).map((cookie) => signOut(world.daemon.http, cookie)));
    }
    live.unshift(...fresh);
    ended = out;
    came += count;
    gone += out.length;
  };

  print(
    `1 worker, ${store['kind']} store, ${generator}, cache.max_bytes ${CACHE_BYTES / MIB} MiB, ${LIVE} sessions at a time; Node ${process.version}`,
  );
  print('     checks   sessions come/gone   checks/s   worker MiB   primary MiB');
  const url = world.daemon.http + CHECK_PATH;
  const headers = noCookie.headers('');
  const workerSeries: Reading[] = [];
  const primarySeries: Reading[] = [];
  const started = performance.now();
  let checks = 0;
  let wrong = 0;
  let printed = 0;
  while (checks < checksWanted || gone < sessionsWanted) {
    writeCookies();
    const each = checks === 0 ? 0 : checks / workerSeries.length;
    const batch = Math.min(LIVE / 2, Math.ceil((sessionsWanted * Math.max(each, 50_000)) / checksWanted));
    progress(`${checks} of ${checksWanted} checks, ${gone} of ${sessionsWanted} sessions gone`);
    const [result] = await Promise.all([
      load(generator, { url, headers, connections: 64, seconds: SLICE_S, cookies }, loadCpus),
      churn(batch),
    ]);
    checks += result.checks;
    wrong += result.failures + result.errors + result.hangUps;
    const [w, p] = [residentBytes(worker), residentBytes(primary)];
    if (w === null || p === null) throw new Error('the daemon is gone, or there is no /proc');
    workerSeries.push({ checks, bytes: w });
    primarySeries.push({ checks, bytes: p });
    if (checks - printed < checksWanted / 20 && checks < checksWanted) continue;
    printed = checks;
    progress('');
    const rate = (result.checks / result.seconds).toFixed(0);
    print(
      `${String(checks).padStart(11)} ${`${came}/${gone}`.padStart(20)} ${rate.padStart(10)} ${mib(w).padStart(12)} ${mib(p).padStart(13)}`,
    );
  }
  progress('');
  const allowed = await world.daemon.metric('akprox_checks_total', 'result="allowed"');
  const challenged = await world.daemon.metric('akprox_checks_total', 'result="challenged"');
  const minutes = (performance.now() - started) / 60_000;
  print(
    `${checks} checks in ${minutes.toFixed(1)} minutes: ${allowed} allowed, ${challenged} challenged, ${wrong} answered wrongly or not at all`,
  );
  let failed = wrong > 0 || allowed < 0.5 * checks || allowed + challenged < 0.999 * checks;
  if (failed) print('FAIL answers: not what was asked for');
  for (const [name, series] of [
    ['worker', workerSeries],
    ['primary', primarySeries],
  ] as const) {
    const { flat, mean, rise, readings } = trendOf(series, WARM_UP, LIMIT);
    print(
      `${flat ? 'ok  ' : 'FAIL'} ${name}: ${mib(mean)} MiB on average, the line through ${readings} readings after the first third rises by ${mib(rise)} MiB, limit ${mib(LIMIT)}`,
    );
    failed ||= !flat;
  }
  process.exitCode = failed ? 1 : 0;
}

async function signOut(origin: string, cookie: string): Promise<void> {
  const { status } = await request(`${origin}/akprox/sign_out`, {
    headers: { Host: new URL(APP).host, Cookie: cookie },
  });
  if (status !== 302) throw new Error(`a sign-out was answered ${status}`);
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(1);
}
