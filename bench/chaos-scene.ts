// The scene of each fault: a daemon with two workers, people who are signed in, and checks under way.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { request } from '../test/kit/daemon.js';
import type { RedisServer } from '../test/kit/redis-server.js';
import { APP, startWorld, type World, type WorldOptions } from '../test/kit/world.js';
import { type Ask, askOf, ChaosLoad } from './chaos-load.js';
import { openMint } from './mint.js';

export interface Scene {
  readonly world: World;
  readonly load: ChaosLoad;
  readonly directory: string;
  /** Sessions that are asked for again and again from now on. */
  join(cookie: string, uid: string): void;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SceneOptions {
  readonly store?: Record<string, unknown>;
  /** The Redis that the sessions are written to, when the store is one. */
  readonly redis?: RedisServer;
  readonly world?: WorldOptions;
  readonly directory?: string;
  readonly connections?: number;
  /** Sessions that no worker has seen. */
  readonly fresh?: number;
}

/** Asked for all the time, so that every worker has them in its cache. */
const KNOWN = 200;
/** Each asked for once: no worker has seen it. */
const FRESH = 8_000;
const ENDED = 20;
/** One check in this many is by somebody whom no worker has seen yet. */
const FRESH_EVERY = 100;
const CONNECTIONS = 32;

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'akprox-chaos-'));
  const store = options.store ?? { kind: 'embedded', path: join(directory, 'data') };
  let world: World | undefined;
  const close = async (): Promise<void> => {
    await world?.[Symbol.asyncDispose]();
    if (options.directory === undefined) rmSync(directory, { recursive: true, force: true });
  };
  try {
    world = await startWorld({ ...options.world, config: { ...options.world?.config, workers: 2, store } });
    const mint = await openMint(world.idp.issuer, store, 86_400_000, options.redis?.client ?? null);
    const freshCount = options.fresh ?? FRESH;
    let cookies: string[];
    try {
      cookies = await mint.mint(KNOWN + ENDED + freshCount);
    } finally {
      await mint.close();
    }
    const minted = cookies.map((cookie, i) => ({ cookie, uid: `user-${i + 1}` }));
    const ended = minted.slice(KNOWN, KNOWN + ENDED);
    for (const { cookie } of ended) await signOut(world.daemon.http, cookie);
    const known = minted.slice(0, KNOWN).map(({ cookie, uid }) => askOf(cookie, uid));
    const fresh = minted.slice(KNOWN + ENDED).map(({ cookie, uid }) => askOf(cookie, uid));
    const load = new ChaosLoad(world.daemon.http, turns(known, fresh, ended), options.connections ?? CONNECTIONS);
    // Every worker has seen the people who stay.
    load.start();
    while (load.tally.sent < 40 * KNOWN) await new Promise((resolve) => setTimeout(resolve, 20));
    return {
      world,
      load,
      directory,
      join: (cookie, uid) => void known.push(askOf(cookie, uid)),
      async [Symbol.asyncDispose]() {
        await load.stop();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function turns(known: readonly Ask[], fresh: Ask[], ended: readonly { cookie: string }[]): () => Ask {
  const nobody = askOf('', null);
  const forged = known.slice(0, 10).map(({ bytes }) => {
    const cookie = /Cookie: (.*)\r\n/.exec(bytes)?.[1] ?? '';
    return askOf(`${cookie.slice(0, -4)}AAAA`, null);
  });
  const gone = ended.map(({ cookie }) => askOf(cookie, null));
  let turn = 0;
  return () => {
    turn += 1;
    if (turn % FRESH_EVERY === 0) {
      const ask = fresh.pop();
      if (ask !== undefined) return ask;
    }
    const others = [nobody, forged[turn % forged.length], gone[turn % gone.length]];
    return (turn % 5 === 1 ? others[turn % 3] : known[turn % known.length]) ?? nobody;
  };
}

export async function signOut(origin: string, cookie: string): Promise<number> {
  const { status } = await request(`${origin}/akprox/sign_out`, {
    headers: { Host: new URL(APP).host, Cookie: cookie },
  });
  return status;
}
