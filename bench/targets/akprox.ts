// The outpost under load: the built daemon in the test world, with one real login at a real OpenID provider.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { APP, startWorld, type World, type WorldOptions } from '../../test/kit/world.js';
import { childrenOf } from '../processes.js';
import { CHECK_PATH } from '../scenarios.js';
import type { Target } from './target.js';

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
