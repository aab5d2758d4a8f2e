// npm run bench -- --scale: many applications, many sessions, large requests, few and many connections, TLS, and what a log line
// costs. Each scenario has a daemon of its own; the plain signed-in check on the same machine is measured among them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testProvider } from '../test/kit/daemon.js';
import { startRedis } from '../test/kit/redis-server.js';
import { ACCOUNTS, type WorldOptions } from '../test/kit/world.js';
import { type Cell, makeCells, measure, recordAnswers } from './measure.js';
import { type Mint, openMint, zipf } from './mint.js';
import { installed, type Options } from './options.js';
import { cpuMicros, pin } from './processes.js';
import { CHECK_PATH, isAlice, SCENARIOS, type Scenario } from './scenarios.js';
import { buildIfStale, type Outpost, startQuiet } from './targets/akprox.js';

const SIGNED_IN = scenarioOf('signed-in');
const MILLION = 1_000_000;
/** Cookies written down for each run: more than a run gets through. */
const LINES = 300_000;
/** For a cache to fill from Redis. */
const FILL_SECONDS = 10;
const HOUR_MS = 3_600_000;

interface Scale {
  readonly scenario: Scenario;
  readonly workers?: number;
  readonly world?: WorldOptions;
  /** Sessions in a Redis of its own, and how they are drawn. */
  readonly redis?: { readonly sessions: number; readonly draw: (count: number, turn: number) => number };
  readonly tls?: boolean;
}

function named(name: string, title: string, more: Partial<Scenario> = {}): Scenario {
  return { ...SIGNED_IN, name, title, ...more };
}

export const THOUSAND_APPLICATIONS: WorldOptions = {
  others: (issuer) =>
    Array.from({ length: 999 }, (_, i) =>
      testProvider(issuer, { name: `app${i}`, external_host: `http://app${i}.company.tld` }),
    ),
};

const GROUPS = ['staff', ...Array.from({ length: 99 }, (_, i) => `department-${i}`)];
const PADDING = Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`X-Padding-${i}`, 'p'.repeat(7_800)]));

const SCALES: readonly Scale[] = [
  { scenario: named('plain', 'signed in, cached; nothing else') },
  {
    scenario: named('providers', '1 000 applications'),
    world: THOUSAND_APPLICATIONS,
  },
  {
    scenario: named('headers', '61 KiB of request headers', {
      headers: (session) => ({ ...SIGNED_IN.headers(session), ...PADDING }),
    }),
  },
  {
    scenario: named('groups', '100 groups', {
      fault: ({ status, headers }) => {
        if (status !== 200) return `status ${status} instead of 200`;
        const groups = String(headers['x-authentik-groups']).split('|').length;
        return groups === GROUPS.length ? null : `${groups} groups instead of ${GROUPS.length}`;
      },
    }),
    world: { idp: { accounts: { alice: { ...ACCOUNTS.alice, groups: GROUPS } } } },
  },
  { scenario: named('connections-8', '8 connections over 2 workers', { connections: 8 }), workers: 2 },
  { scenario: named('connections-512', '512 connections over 2 workers', { connections: 512 }), workers: 2 },
  { scenario: named('tls', 'TLS, kept alive'), tls: true, world: { config: { listen: { https: '127.0.0.1:0' } } } },
  {
    scenario: named('log-none', 'log.checks: none, a cookie that is denied', denied()),
    world: { config: { log: { checks: 'none' } } },
  },
  {
    scenario: named('log-denied', 'log.checks: denied, a cookie that is denied', denied()),
    world: { config: { log: { checks: 'denied' } } },
  },
  { scenario: named('log-all', 'log.checks: all, signed in'), world: { config: { log: { checks: 'all' } } } },
  {
    scenario: named('uncached', 'signed in, not cached, Redis'),
    // The least cache there is, and more sessions than it holds, each asked for in its turn.
    world: { config: { cache: { max_bytes: 65_536 } } },
    redis: { sessions: 5_000, draw: (count, turn) => turn % count },
  },
  {
    scenario: named('sessions', '1 000 000 sessions in Redis, asked for by Zipf’s law'),
    redis: { sessions: MILLION, draw: (count) => zipf(count, Math.random()) },
  },
];

function denied(): Partial<Scenario> {
  const { headers, fault } = scenarioOf('forged');
  return { headers, fault };
}

export async function measureScale(options: Options, progress: (text: string) => void): Promise<Cell[]> {
  buildIfStale();
  const cells: Cell[] = [];
  for (const scale of SCALES) {
    if (options.only.length > 0 && !options.only.includes(scale.scenario.name)) continue;
    if (scale.redis !== undefined && !installed('redis-server')) {
      process.stdout.write(`left out, redis-server is not installed: ${scale.scenario.title}\n`);
      continue;
    }
    progress(`starting: ${scale.scenario.title}`);
    cells.push(...(await measureOne(scale, options, progress)));
  }
  return cells;
}

async function measureOne(scale: Scale, options: Options, progress: (text: string) => void): Promise<Cell[]> {
  const closers: (() => unknown)[] = [];
  try {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-scale-'));
    closers.push(() => rmSync(directory, { recursive: true, force: true }));
    const redis = scale.redis && (await startRedis());
    if (redis !== undefined) closers.push(() => redis.stop());
    const store = redis && { kind: 'redis', url: redis.url };
    const config = { ...scale.world?.config, ...(store && { store }) };
    progress(`starting, and waiting until every provider is known: ${scale.scenario.title}`);
    const started = await startQuiet(scale.workers ?? 1, { ...scale.world, config });
    closers.push(() => started.close());
    pin(started.pids, options.serverCpus);
    let { scenario } = scale;
    if (scale.redis !== undefined && redis !== undefined && store !== undefined) {
      const { sessions, draw } = scale.redis;
      const mint: Mint = await openMint(started.world.idp.issuer, store, HOUR_MS, redis.client);
      closers.push(() => mint.close());
      const cookies = await mint.mint(sessions, (soFar) => {
        if (soFar % 10_000 === 0) progress(`${scenario.title}: ${soFar} of ${sessions} written`);
      });
      const path = join(directory, 'cookies');
      const write = (): string => {
        const lines = Array.from({ length: LINES }, (_, turn) => cookies[draw(cookies.length, turn)]);
        writeFileSync(path, `${lines.join('\n')}\n`);
        return path;
      };
      scenario = { ...scenario, cookies: write, fault: isAlice };
    }
    const outpost = watched(started, scale.tls === true);
    const cells = makeCells([scenario], [outpost], outpost.session);
    const warmUp = scale.redis === undefined ? undefined : FILL_SECONDS;
    await measure(cells, await recordAnswers(outpost, [scenario]), options, progress, warmUp);
    return cells;
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

/** With a remark on the hit ratio, and on how even the load was over several workers. */
function watched(outpost: Outpost, tls: boolean): Outpost {
  const { daemon } = outpost.world;
  const count = (what: string): Promise<number> => daemon.metric(`akprox_session_cache_${what}_total`);
  return {
    ...outpost,
    url: () => (tls ? (daemon.https ?? '') : daemon.http) + CHECK_PATH,
    watch: async () => {
      const before = [await count('hits'), await count('misses')] as const;
      const cpuBefore = outpost.pids.map((pid) => cpuMicros([pid]) ?? 0);
      return async () => {
        const used = outpost.pids.map((pid, i) => (cpuMicros([pid]) ?? 0) - (cpuBefore[i] ?? 0));
        const [hits, misses] = [(await count('hits')) - before[0], (await count('misses')) - before[1]];
        const total = used.reduce((sum, micros) => sum + micros, 0);
        return [
          ...(hits + misses > 0 ? [`hit ratio ${(hits / (hits + misses)).toFixed(3)}`] : []),
          ...(used.length > 1
            ? [`CPU by worker ${used.map((micros) => `${((100 * micros) / total).toFixed(0)} %`).join(' : ')}`]
            : []),
        ].join(', ');
      };
    },
  };
}

function scenarioOf(name: string): Scenario {
  const scenario = SCENARIOS.find((other) => other.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  return scenario;
}
