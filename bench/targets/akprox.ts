// The outpost under load: the built daemon in the test world, with one real login at a real OpenID provider.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { APP, startWorld, type World, type WorldOptions } from '../../test/kit/world.js';
import { childrenOf, cpuMicros } from '../processes.js';
import { CHECK_PATH } from '../scenarios.js';
import type { Target } from './target.js';

const LOOK_MS = 500;
const QUIET_LOOKS = 3;
/** Two ticks in a look. */
const QUIET_MICROS = 20_000;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Outpost extends Target {
  readonly world: World;
  readonly session: string;
}

export async function startOutpost(workers: number, options: WorldOptions = {}): Promise<Outpost> {
  const world = await startWorld({ ...options, config: { workers, ...options.config } });
  const browser = world.browser();
  await browser.logIn(`${APP}/`, 'alice');
  const session = (await browser.cookies(`${APP}/`)).find((cookie) => /=[\w-]{43}\.[\w-]{43}$/.test(cookie));
  if (session === undefined) throw new Error('the login gave no session cookie');
  return {
    name: `akprox-${workers}`,
    title: `akprox, ${workers} worker${workers === 1 ? '' : 's'}`,
    only: null,
    url: () => world.daemon.http + CHECK_PATH,
    answers: 'outpost',
    pids: childrenOf(world.daemon.child.pid ?? 0),
    close: () => world[Symbol.asyncDispose](),
    world,
    session,
  };
}

/**
 * The same, once its workers have nothing to do: at its start each asks for the discovery document of every provider, which is no cost of
 * a check (the log does not say it of each). Log lines go nowhere from then on, because reading them is not the daemon's cost either.
 */
export async function startQuiet(workers: number, options: WorldOptions = {}): Promise<Outpost> {
  const outpost = await startOutpost(workers, options);
  const { daemon } = outpost.world;
  await daemon.waitFor(({ msg }) => msg === 'identity provider: discovered');
  for (let quiet = 0; quiet < QUIET_LOOKS; ) {
    const before = cpuMicros(outpost.pids) ?? 0;
    await pause(LOOK_MS);
    quiet = (cpuMicros(outpost.pids) ?? 0) - before > QUIET_MICROS ? 0 : quiet + 1;
  }
  daemon.child.stdout?.removeAllListeners('data').on('data', () => {});
  return outpost;
}

/** Builds `dist/` when it is missing or older than a source: a figure is about the code that is there. */
export function buildIfStale(): void {
  const newest = (directory: string): number =>
    Math.max(
      ...readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
        .filter((file) => /\.[tj]s$/.test(file))
        .map((file) => statSync(join(ROOT, directory, file)).mtimeMs),
    );
  let built = 0;
  try {
    built = newest('dist');
  } catch {
    // Not built yet.
  }
  if (built < newest('src')) execFileSync('npm', ['run', '--silent', 'build'], { cwd: ROOT, stdio: 'inherit' });
}
