// Starts what is compared, pins it, and stops it again whatever happens. Shared by main.ts and budget.ts.

import { recordAnswers } from './measure.js';
import { installed, type Peer, type Settings } from './options.js';
import { pin, residentBytes } from './processes.js';
import { type Recorded, SCENARIOS } from './scenarios.js';
import { buildIfStale, type Outpost, startOutpost } from './targets/akprox.js';
import { startNginx } from './targets/nginx.js';
import { peerTarget, startFloor, startNodeHttp, type Target } from './targets/target.js';

export interface Bench {
  readonly outpost: Outpost;
  readonly targets: readonly Target[];
  readonly answers: ReadonlyMap<string, Recorded>;
  /** Memory of the first outpost's workers with one login behind them and nothing else; null where it cannot be read. */
  readonly idleBytes: number | null;
  close(): Promise<void>;
}

export async function startBench(
  settings: Settings,
  options: { readonly workers: readonly number[]; readonly nodeHttp: boolean; readonly peers: readonly Peer[] },
  progress: (text: string) => void,
): Promise<Bench> {
  const started: Target[] = [];
  const close = async (): Promise<void> => {
    for (const target of started.toReversed()) await target.close();
  };
  try {
    progress('building');
    buildIfStale();
    const outposts: Outpost[] = [];
    for (const workers of options.workers) {
      progress(`starting akprox with ${workers} worker${workers === 1 ? '' : 's'} and logging in`);
      const outpost = await startOutpost(workers);
      outposts.push(outpost);
      started.push(outpost);
    }
    const [outpost] = outposts;
    if (outpost === undefined) throw new Error('no outpost to measure');
    const idleBytes = residentBytes(outpost.pids);
    const answers = await recordAnswers(outpost, SCENARIOS);
    progress('starting the targets to compare with');
    started.push(...(await startFloor(answers)));
    if (installed('nginx')) started.push(await startNginx(answers));
    if (options.nodeHttp) started.push(await startNodeHttp(answers));
    for (const target of started) pin(target.pids, settings.serverCpus);
    started.push(...options.peers.map(peerTarget));
    return { outpost, targets: started, answers, idleBytes, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** One line that is written over, on a terminal; nothing elsewhere. */
export function progressLine(): (text: string) => void {
  return (text) => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[2K${text.slice(0, (process.stderr.columns || 80) - 1)}`);
  };
}
