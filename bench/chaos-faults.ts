// The faults, one function each: break something while checks are under way, mend it, and say what was counted in each phase.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from '../test/kit/browser.js';
import { freePort } from '../test/kit/ports.js';
import { type RedisServer, startRedis } from '../test/kit/redis-server.js';
import { startProxy } from '../test/kit/tcp-proxy.js';
import { ACCOUNTS, APP, clientFor } from '../test/kit/world.js';
import { killWorker } from './chaos-kill.js';
import type { Tally } from './chaos-load.js';
import { type Scene, startScene } from './chaos-scene.js';
import { openMint } from './mint.js';
import { installed } from './options.js';

export interface ChaosSettings {
  readonly kills: number;
  /** How long a fault lasts. */
  readonly seconds: number;
}

export interface Report {
  /** What may happen in a phase besides right verdicts. */
  phase(
    name: string,
    tally: Tally,
    expected: { readonly outage?: boolean; readonly cuts?: boolean; readonly refusals?: boolean },
  ): void;
  note(text: string): void;
  problem(text: string): void;
}

export interface Fault {
  readonly name: string;
  readonly title: string;
  /** What it lacks on this machine; null: nothing. */
  readonly missing: () => string | null;
  readonly run: (settings: ChaosSettings, report: Report) => Promise<void>;
}

const KILL_EVERY_MS = 1_500;
const needsRedis = (): string | null => (installed('redis-server') ? null : 'redis-server is not installed');
const needsNothing = (): string | null => null;
const needsLinux = (): string | null => (process.platform === 'linux' ? null : 'it reads /proc');
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export const FAULTS: readonly Fault[] = [
  { name: 'kill', title: 'kill -9 of each worker in turn, every 1.5 s', missing: needsLinux, run: killWorkers },
  { name: 'redis-stopped', title: 'Redis does not answer (SIGSTOP)', missing: needsRedis, run: redisStopped },
  { name: 'redis-slow', title: 'Redis answers half a second late', missing: needsRedis, run: redisSlow },
  { name: 'redis-full', title: 'Redis is full (maxmemory, noeviction)', missing: needsRedis, run: redisFull },
  {
    name: 'redis-killed',
    title: 'kill -9 of a Redis that writes everything down',
    missing: needsRedis,
    run: redisKilled,
  },
  {
    name: 'redis-cut',
    title: 'connections to Redis cut in the middle of an answer',
    missing: needsRedis,
    run: redisCut,
  },
  {
    name: 'truncated',
    title: "the embedded store's file is cut to half while it is in use",
    missing: needsNothing,
    run: truncated,
  },
  { name: 'disk-full', title: 'the disk of the embedded store is full', missing: needsMount, run: diskFull },
  {
    name: 'idp-hangs',
    title: 'the identity provider takes connections and says nothing',
    missing: needsNothing,
    run: idpHangs,
  },
];

async function killWorkers({ kills }: ChaosSettings, report: Report): Promise<void> {
  await using scene = await startScene();
  const { load } = scene;
  report.phase('before', load.phase(), {});
  const total = { onKilled: 0, inQueue: 0, elsewhere: 0, refusedThen: 0, refused: 0 };
  let slowest = 0;
  for (let i = 0; i < kills; i += 1) {
    const begun = performance.now();
    const killed = await killWorker(scene);
    slowest = Math.max(slowest, performance.now() - begun);
    await wait(Math.max(0, KILL_EVERY_MS - (performance.now() - begun)));
    const { onKilled, inQueue, elsewhere, refusedThen, refused } = killed.losses();
    total.onKilled += onKilled;
    total.inQueue += inQueue;
    total.elsewhere += elsewhere;
    total.refusedThen += refusedThen;
    total.refused += refused;
  }
  report.phase(`${kills} workers killed`, load.phase(), { cuts: true, refusals: true });
  report.note(
    `checks that failed: ${total.onKilled} in flight on the worker that was killed, ${total.inQueue} on connections that the kernel had accepted for it, ${total.elsewhere} elsewhere`,
  );
  report.note(
    `connections refused: ${total.refusedThen} while a socket of the worker was being closed, ${total.refused - total.refusedThen} at other times; slowest replacement ${Math.round(slowest)} ms`,
  );
  if (total.elsewhere > 0) report.problem(`${total.elsewhere} checks failed on connections of another worker`);
  if (total.refused > total.refusedThen) report.problem('connections were refused although a worker was there');
  await wait(1_000);
  report.phase('after', load.phase(), {});
}

/** A scene with a Redis behind a proxy that can misbehave. */
async function withRedis(
  report: Report,
  run: (scene: Scene, redis: RedisServer, proxy: Awaited<ReturnType<typeof startProxy>>) => Promise<void>,
): Promise<void> {
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  try {
    const proxy = await startProxy(redis.port);
    try {
      const store = { kind: 'redis', url: `redis://127.0.0.1:${proxy.port}` };
      await using scene = await startScene({ store, redis });
      report.phase('before', scene.load.phase(), {});
      await run(scene, redis, proxy);
      await recovered(scene, report);
    } finally {
      await proxy.stop();
    }
  } finally {
    await redis.stop();
  }
}

/** Sessions that no worker has seen are let in again; then a phase in which nothing is amiss. */
async function recovered({ load }: Scene, report: Report): Promise<void> {
  const begun = performance.now();
  let quiet = 0;
  while (quiet < 20 && performance.now() - begun < 60_000) {
    const before = load.tally.unavailable;
    await wait(100);
    quiet = load.tally.unavailable === before ? quiet + 1 : 0;
  }
  report.phase(`until mended (${((performance.now() - begun) / 1_000 - 2).toFixed(1)} s)`, load.phase(), {
    outage: true,
  });
  await wait(2_000);
  report.phase('after', load.phase(), {});
}

async function redisStopped({ seconds }: ChaosSettings, report: Report): Promise<void> {
  await withRedis(report, async ({ load }, redis) => {
    const pid = Number(/process_id:(\d+)/.exec(await redis.client.info('server'))?.[1]);
    process.kill(pid, 'SIGSTOP');
    try {
      await wait(seconds * 1_000);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    report.phase('stopped', load.phase(), { outage: true });
  });
}

async function redisSlow({ seconds }: ChaosSettings, report: Report): Promise<void> {
  await withRedis(report, async ({ load }, _redis, proxy) => {
    proxy.delayMs = 500;
    await wait(seconds * 1_000);
    proxy.delayMs = 0;
    report.phase('slow', load.phase(), { outage: true });
  });
}

async function redisFull({ seconds }: ChaosSettings, report: Report): Promise<void> {
  await withRedis(report, async ({ load, world }, redis) => {
    await redis.client.config('SET', 'maxmemory-policy', 'noeviction');
    await redis.client.config('SET', 'maxmemory', '1mb');
    const browser = world.browser();
    const login = await browser.logIn(`${APP}/`, 'alice');
    report.note(`a login at a store that takes nothing ends with ${login.status}`);
    if (login.status < 400) report.problem('a login seemed to succeed');
    await wait(seconds * 1_000);
    await redis.client.config('SET', 'maxmemory', '0');
    report.phase('full', load.phase(), {});
  });
}

async function redisKilled({ seconds }: ChaosSettings, report: Report): Promise<void> {
  await withRedis(report, async ({ load }, redis) => {
    await redis.kill();
    await wait(seconds * 1_000);
    await redis.restart();
    report.phase('gone', load.phase(), { outage: true });
  });
}

async function redisCut({ seconds }: ChaosSettings, report: Report): Promise<void> {
  await withRedis(report, async ({ load }, _redis, proxy) => {
    const until = performance.now() + seconds * 1_000;
    while (performance.now() < until) {
      proxy.cutAfter = 3;
      await wait(100);
    }
    proxy.cutAfter = null;
    report.phase('cut ten times a second', load.phase(), { outage: true });
  });
}

async function truncated({ seconds }: ChaosSettings, report: Report): Promise<void> {
  await using scene = await startScene();
  const { load, directory, world } = scene;
  report.phase('before', load.phase(), {});
  const file = join(directory, 'data', 'data.mdb');
  truncateSync(file, Math.floor(statSync(file).size / 2 / 4_096) * 4_096);
  await wait(seconds * 1_000);
  // Its bytes are gone, and a worker that touches them is ended by the kernel (SIGBUS): only verdicts are judged.
  report.phase('cut to half', load.phase(), { outage: true, cuts: true, refusals: true });
  const deaths = world.daemon.lines.filter(({ msg }) => msg === 'a worker died').length;
  const said = world.daemon.lines.filter(({ level, msg }) => level !== 'info' && !/external_host/.test(msg));
  report.note(`${deaths} workers ended; the log says: ${[...new Set(said.map(({ msg }) => msg))].join('; ')}`);
}

const MIB = 1_048_576;
const MOST_WRITTEN = 50_000;

function needsMount(): string | null {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-mount-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory], { stdio: 'ignore' });
    execFileSync('umount', [directory], { stdio: 'ignore' });
    return null;
  } catch {
    return 'it may not mount a tmpfs';
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function diskFull({ seconds }: ChaosSettings, report: Report): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-chaos-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=96m', 'tmpfs', directory]);
  try {
    const path = join(directory, 'data');
    mkdirSync(path);
    const store = { kind: 'embedded', path };
    await using scene = await startScene({ directory: join(directory, 'scene'), store });
    const { load, world } = scene;
    report.phase('before', load.phase(), {});
    const filler = join(directory, 'filler');
    try {
      writeFileSync(filler, Buffer.alloc(96 * MIB));
    } catch {
      // That was the point.
    }
    const mint = await openMint(world.idp.issuer, store, 86_400_000);
    let written = 0;
    try {
      while (written < MOST_WRITTEN) {
        await mint.mint(100);
        written += 100;
      }
      report.problem('the disk was not full');
    } catch (error) {
      report.note(
        `${written} more sessions went into free pages, then: ${error instanceof Error ? error.message : error}`,
      );
    } finally {
      await mint.close().catch(() => undefined);
    }
    const browser = world.browser();
    const login = await browser.logIn(`${APP}/`, 'alice');
    report.note(`a login ends with ${login.status}`);
    // A login that fits into the last free pages is a login like others.
    if (login.status < 400) scene.join(await sessionOf(browser), 'alice');
    await wait(seconds * 1_000);
    report.phase('full', load.phase(), {});
    rmSync(filler);
    await recovered(scene, report);
    const again = await world.browser().logIn(`${APP}/`, 'alice');
    report.note(`a login afterwards ends with ${again.status}`);
  } finally {
    // Workers whose primary was killed are still on their way out.
    execFileSync('umount', ['--lazy', directory]);
    rmSync(directory, { recursive: true, force: true });
  }
}

async function sessionOf(browser: Browser): Promise<string> {
  const cookie = (await browser.cookies(`${APP}/`)).find((text) => /=[\w-]{43}\.[\w-]{43}$/.test(text));
  if (cookie === undefined) throw new Error('a login gave no session');
  return cookie;
}

const TOKEN_S = 60;
/** A session is renewed in the last quarter of its token's life: the provider hangs from before that, and not to its end. */
const HANGS_FROM_S = 43;
const HANGS_UNTIL_S = 51;

async function idpHangs(_settings: ChaosSettings, report: Report): Promise<void> {
  const port = await freePort();
  const proxy = await startProxy(port);
  try {
    await using scene = await startScene({
      world: {
        idp: {
          port,
          issuer: `http://127.0.0.1:${proxy.port}`,
          clients: [clientFor('whoami', APP)],
          accounts: ACCOUNTS,
          ttl: { IdToken: TOKEN_S, AccessToken: TOKEN_S },
        },
      },
    });
    const { load, world } = scene;
    const begun = performance.now();
    for (let i = 0; i < 3; i += 1) {
      const browser = world.browser();
      await browser.logIn(`${APP}/`, 'alice');
      scene.join(await sessionOf(browser), 'alice');
    }
    const at = (seconds: number): Promise<void> => wait(Math.max(0, begun + seconds * 1_000 - performance.now()));
    await at(HANGS_FROM_S);
    report.phase('before', load.phase(), {});
    proxy.silent = true;
    await at(HANGS_UNTIL_S);
    proxy.silent = false;
    report.phase('hanging, renewals due', load.phase(), {});
    await at(TOKEN_S + 10);
    report.phase('after, former tokens expired', load.phase(), {});
    report.note(
      `renewals that did not work at once: ${world.daemon.lines.filter(({ msg }) => /^session renewal failed/.test(msg)).length}`,
    );
  } finally {
    await proxy.stop();
  }
}
