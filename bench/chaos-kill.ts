// kill -9 of one worker under load, and whose checks were lost by it.
import { until } from '../test/kit/until.js';
import type { Scene } from './chaos-scene.js';
import { connectionsOf, gone, stopped } from './connections.js';

export interface Losses {
  /** Checks in flight on a connection of the worker that was killed. */
  readonly onKilled: number;
  /** … on one that the kernel had accepted for it. */
  readonly inQueue: number;
  /** … on any other: nobody had a reason to end it. */
  readonly elsewhere: number;
  readonly refused: number;
  /** Of those: while the worker's sockets were being closed, one after the other. */
  readonly refusedThen: number;
}

export interface Killed {
  readonly pid: number;
  /** What has been lost since, so far. */
  losses(): Losses;
}

/** Kills the worker that has been there longest; resolves when another one is ready in its place. */
export async function killWorker({ world, load }: Scene): Promise<Killed> {
  const port = Number(new URL(world.daemon.http).port);
  const ready = (): number[] =>
    world.daemon.lines.filter(({ msg }) => msg === 'worker ready').map((line) => Number(line['worker_pid']));
  const deaths = world.daemon.lines.filter(({ msg }) => msg === 'a worker died').length;
  const before = ready().length;
  const victim = ready()[deaths] ?? 0;
  const begun = performance.now();
  // Stopped first, so that what is looked at is what dies.
  process.kill(victim, 'SIGSTOP');
  await stopped(victim);
  const { own, queued } = connectionsOf(victim, port);
  const { tally } = load;
  const [cutBefore, refusedBefore] = [tally.cut.length, tally.refused.length];
  process.kill(victim, 'SIGKILL');
  await gone(victim);
  const closedAt = performance.now();
  await until(() => ready().length > before);
  return {
    pid: victim,
    losses: () => {
      let [onKilled, inQueue, elsewhere] = [0, 0, 0];
      for (const { port: local, openedAt } of tally.cut.slice(cutBefore)) {
        if (own.has(local)) onKilled += 1;
        // The kernel takes connections for it until the last of what it had open is closed.
        else if (queued.has(local) || (begun < openedAt && openedAt <= closedAt)) inQueue += 1;
        else elsewhere += 1;
      }
      const refused = tally.refused.slice(refusedBefore);
      const refusedThen = refused.filter((at) => begun < at && at <= closedAt).length;
      return { onKilled, inQueue, elsewhere, refused: refused.length, refusedThen };
    },
  };
}
