// The row of the budget for a worker that is killed: how soon another one serves in its place, and whose checks are lost by it.
import { startDaemon, testProvider } from '../test/kit/daemon.js';
import { killWorker } from './chaos-kill.js';
import { startScene } from './chaos-scene.js';
import type { Settings } from './options.js';
import { childrenOf, secondsSinceStart } from './processes.js';
import type { Row } from './verdict.js';

const LOST_KILLS = 3;
const FEW_FRESH = 500;

export async function measureKilled(settings: Settings, progress: (text: string) => void): Promise<Row[]> {
  return [
    {
      title: 'a worker is killed: until another is ready ÷ the start time of the first',
      limit: 1,
      rounds: await timeKills(settings.rounds, progress),
    },
    {
      title: 'one of two workers is killed: checks lost that were not in flight there',
      limit: 0,
      rounds: await countLost(progress),
      digits: 0,
    },
  ];
}

/** One kill after the other, of the same daemon: a wait that grows would show. */
async function timeKills(kills: number, progress: (text: string) => void): Promise<number[]> {
  const daemon = await startDaemon({ workers: 1, providers: [testProvider('http://127.0.0.1:9')] });
  try {
    // The line that `startDaemon` waits for comes right behind the one that says that the worker is ready.
    const [first = 0] = childrenOf(daemon.child.pid ?? 0);
    const start = secondsSinceStart(first);
    if (start === null) throw new Error('the worker is gone, or there is no /proc');
    const ready = (): number[] =>
      daemon.lines.filter(({ msg }) => msg === 'worker ready').map((line) => Number(line['worker_pid']));
    const found: number[] = [];
    for (let kill = 1; kill <= kills; kill += 1) {
      progress(`killing a worker, ${kill}/${kills}`);
      const begun = performance.now();
      process.kill(ready().at(-1) ?? 0, 'SIGKILL');
      await daemon.waitFor(() => ready().length > kill);
      found.push((performance.now() - begun) / 1_000 / start);
    }
    return found;
  } finally {
    await daemon[Symbol.asyncDispose]();
  }
}

/** Of two workers under load; those that the kernel had accepted for the dead one are lost with it, and not counted. */
async function countLost(progress: (text: string) => void): Promise<number[]> {
  progress('killing one of two workers under load');
  const scene = await startScene({ fresh: FEW_FRESH });
  try {
    const found: number[] = [];
    for (let kill = 1; kill <= LOST_KILLS; kill += 1) {
      const { losses } = await killWorker(scene);
      const { elsewhere, refused, refusedThen } = losses();
      found.push(elsewhere + refused - refusedThen);
    }
    return found;
  } finally {
    await scene[Symbol.asyncDispose]();
  }
}
