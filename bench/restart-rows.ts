// SIGUSR2 under load, again and again, and what becomes of the checks: the runs, and the rows of the budget.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Daemon, startDaemon, testProvider } from '../test/kit/daemon.js';
import { until } from '../test/kit/until.js';
import { type Ask, askOf, ChaosLoad, type Tally } from './chaos-load.js';
import { openMint } from './mint.js';
import type { Row } from './verdict.js';

export const RESTARTS = [
  { name: 'kept', title: 'TCP, connections that are kept', unix: false, oneEach: false },
  { name: 'each', title: 'TCP, one connection for each check', unix: false, oneEach: true },
  { name: 'unix-kept', title: 'unix sockets, connections that are kept', unix: true, oneEach: false },
  { name: 'unix-each', title: 'unix sockets, one connection for each check', unix: true, oneEach: true },
] as const;
export type Restart = (typeof RESTARTS)[number];

const KNOWN = 200;
export const CONNECTIONS = 32;
/** Between one successor that serves and the next SIGUSR2, in milliseconds. */
const PAUSE = 1_000;
export const MOST_LOST = 1 / 10_000;

export interface Restarted {
  readonly sent: number;
  readonly refused: number;
  readonly cut: number;
  readonly wrong: number;
  readonly seconds: number;
  readonly examples: readonly string[];
}

/** A check that was answered wrongly is as good as lost. */
export function lostIn({ refused, cut, wrong }: Restarted): number {
  return refused + cut + wrong;
}

/** All of them in one run each: whoever is lost is lost. */
export async function measureRestartRows(times: number, progress: (text: string) => void): Promise<Row[]> {
  const rows: Row[] = [];
  for (const scenario of RESTARTS) {
    progress(`restarts: ${scenario.title}`);
    const restarted = await measureRestarts(scenario, times);
    const title = `a successor takes over ${times} times, ${scenario.title}: `;
    rows.push(
      scenario.oneEach
        ? {
            title: `${title}checks lost of 10 000`,
            limit: MOST_LOST * 10_000,
            rounds: [(lostIn(restarted) / restarted.sent) * 10_000],
          }
        : { title: `${title}checks lost`, limit: 0, rounds: [lostIn(restarted)], digits: 0 },
    );
  }
  return rows;
}

/** Replaces the daemon so many times while checks run. */
export async function measureRestarts(scenario: Restart, times: number): Promise<Restarted> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-restart-'));
  const store = { kind: 'embedded', path: join(directory, 'data') };
  const issuer = 'http://127.0.0.1:9';
  const first = join(directory, 'akprox.sock');
  const daemon = await startDaemon(
    {
      store,
      providers: [testProvider(issuer, { access: { groups: ['staff'] } })],
      listen: scenario.unix ? { http: `unix:${first}` } : {},
    },
    { succeeds: true },
  );
  try {
    const mint = await openMint(issuer, store, 86_400_000);
    const cookies = await mint.mint(KNOWN);
    await mint.close();
    const next = asks(cookies);
    // One lane of load for each socket, as proxies spread checks over them.
    const targets = scenario.unix ? [`unix:${first}`, `unix:${first}.2`] : [daemon.http];
    const loads = targets.map((target) => new ChaosLoad(target, next, CONNECTIONS / targets.length, scenario.oneEach));
    for (const load of loads) load.start();
    await until(() => loads.every(({ tally }) => tally.sent > 10 * KNOWN));
    for (const load of loads) load.phase();
    const begun = performance.now();
    for (let i = 0; i < times; i += 1) {
      await replace(daemon, i);
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    const seconds = (performance.now() - begun) / 1_000;
    await until(() => count(daemon, 'the former daemon has ended') === times);
    for (const load of loads) await load.stop();
    return tallied(
      loads.map(({ tally }) => tally),
      seconds,
    );
  } finally {
    await daemon[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Most by people who are signed in; the others by nobody, or with a cookie that somebody made up. */
function asks(cookies: readonly string[]): () => Ask {
  const known = cookies.map((cookie, i) => askOf(cookie, `user-${i + 1}`));
  const others = [askOf('', null), ...cookies.slice(0, 10).map((cookie) => askOf(`${cookie.slice(0, -4)}AAAA`, null))];
  let turn = 0;
  return () => {
    turn += 1;
    const ask = turn % 5 === 1 ? others[turn % others.length] : known[turn % known.length];
    return ask ?? askOf('', null);
  };
}

/** The daemon that serves now, by the one after it. */
async function replace(daemon: Daemon, already: number): Promise<void> {
  const serving = daemon.lines.filter(({ msg }) => msg === 'listening').at(-1)?.['pid'];
  process.kill(Number(serving), 'SIGUSR2');
  await until(() => count(daemon, 'the successor serves; draining') > already);
}

function count({ lines }: Daemon, text: string): number {
  return lines.filter(({ msg }) => msg === text).length;
}

function tallied(tallies: readonly Tally[], seconds: number): Restarted {
  const sum = (of: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + of(tally), 0);
  return {
    sent: sum((tally) => tally.sent),
    refused: sum((tally) => tally.refused.length),
    cut: sum((tally) => tally.cut.length),
    wrong: sum((tally) => tally.wrong + tally.unavailable + tally.hung),
    seconds,
    examples: tallies.flatMap(({ examples }) => examples),
  };
}
