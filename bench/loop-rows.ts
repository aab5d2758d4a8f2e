// How late the event loop of a worker is while people log in, sessions are renewed and the configuration is read again and again.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { traefikCheck } from '../test/kit/daemon.js';
import { until } from '../test/kit/until.js';
import { APP, startWorld } from '../test/kit/world.js';
import type { Settings } from './options.js';
import { childrenOf, pin } from './processes.js';
import type { Row } from './verdict.js';

const PROBE = fileURLToPath(new URL('loop-probe.mjs', import.meta.url));
/** So that sessions are renewed all the time. */
const TOKEN_S = 4;
const RELOAD_MS = 500;
const MOST_SESSIONS = 20;
const WINDOW_MS = 3_000;

interface Seen {
  readonly p99: number;
  readonly max: number;
  readonly count: number;
}

export interface LoopDelay {
  /** Milliseconds, of each round. */
  readonly p99: readonly number[];
  readonly max: readonly number[];
  readonly logins: number;
  readonly renewals: number;
  readonly reloads: number;
}

export async function measureLoop(settings: Settings, progress: (text: string) => void): Promise<LoopDelay> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-loop-'));
  const closers: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true })];
  try {
    const world = await startWorld({
      config: { workers: 1 },
      idp: { refreshTokens: 'always', ttl: { IdToken: TOKEN_S, AccessToken: TOKEN_S } },
      env: { NODE_OPTIONS: `--import=${PROBE}`, LOOP_PROBE: directory },
    });
    closers.push(() => world[Symbol.asyncDispose]());
    const { daemon } = world;
    const primary = daemon.child.pid ?? 0;
    const [worker = 0] = childrenOf(primary);
    // The worker alone: what others do on its core would be its delay.
    pin([worker], settings.serverCpus);
    pin([primary, process.pid], settings.loadCpus);
    let over = false;
    let logins = 0;
    let reloads = 0;
    const sessions: string[] = [];
    const logIn = async (): Promise<void> => {
      while (!over) {
        const browser = world.browser();
        await browser.logIn(`${APP}/`, 'alice');
        const session = (await browser.cookies(`${APP}/`)).find((cookie) => /=[\w-]{43}\.[\w-]{43}$/.test(cookie));
        if (session === undefined) throw new Error('the login gave no session cookie');
        logins += 1;
        sessions.push(session);
        if (sessions.length > MOST_SESSIONS) sessions.shift();
      }
    };
    const ask = async (): Promise<void> => {
      for (let turn = 0; !over; turn += 1) {
        const cookie = sessions[turn % Math.max(1, sessions.length)];
        if (cookie !== undefined) await traefikCheck(daemon.http, `${APP}/`, { cookie });
        else await pause(10);
      }
    };
    const reload = async (): Promise<void> => {
      while (!over) {
        daemon.child.kill('SIGHUP');
        reloads += 1;
        await pause(RELOAD_MS);
      }
    };
    const work = Promise.all([logIn(), ask(), ask(), reload()]);
    const seen: Seen[] = [];
    const measuring = async (): Promise<void> => {
      // The first round of each thing compiles it.
      await until(() => logins >= MOST_SESSIONS);
      for (let round = 1; round <= settings.rounds; round += 1) {
        progress(`event loop, round ${round}/${settings.rounds}: ${logins} logins`);
        seen.push(await lookAt(directory, worker));
      }
    };
    try {
      await Promise.race([measuring(), work]);
    } finally {
      over = true;
    }
    await work;
    const renewals = await daemon.metric('akprox_store_duration_seconds_count', 'op="replace"');
    return { p99: seen.map(({ p99 }) => p99), max: seen.map(({ max }) => max), logins, renewals, reloads };
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

async function lookAt(directory: string, worker: number): Promise<Seen> {
  const file = join(directory, `${worker}.json`);
  rmSync(file, { force: true });
  writeFileSync(join(directory, 'go'), '');
  await pause(WINDOW_MS);
  rmSync(join(directory, 'go'));
  let seen: Seen | undefined;
  await until(() => {
    seen = JSON.parse(readFileSync(file, 'utf8')) as Seen;
    return true;
  });
  if (seen === undefined || seen.count < WINDOW_MS / 20) throw new Error('the worker’s event loop was not watched');
  return seen;
}

export function loopRows({ p99, logins, renewals, reloads }: LoopDelay): Row[] {
  return [
    {
      title: `event loop of a worker, p99 delay (${logins} logins, ${renewals} renewals, ${reloads} reloads)`,
      limit: 5,
      rounds: p99,
      unit: ' ms',
      digits: 1,
    },
  ];
}
