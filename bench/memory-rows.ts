// What an idle daemon takes, process by process, and what a start costs.
//
// By PSS, with a copy of Node.js that nothing else on this machine runs: the pages of the program would otherwise be shared with whoever
// runs it too, this program to begin with, and the daemon would look smaller than it is alone on a host.
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ConfigInput, startDaemon, testProvider } from '../test/kit/daemon.js';
import { type Idp, startIdp } from '../test/kit/idp.js';
import { startRedis } from '../test/kit/redis-server.js';
import { ACCOUNTS, APP, clientFor, startFront } from '../test/kit/world.js';
import type { Cell } from './measure.js';
import { installed } from './options.js';
import { childrenOf, cpuWithEnded, type Memory, memoryOf } from './processes.js';
import type { Row } from './verdict.js';

/** V8 collects what starting has left when a process has had nothing to do for 8 s, and is done with it a little later. */
const IDLE_MS = 15_000;
const MIB = 1_048_576;
const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

export interface Idle {
  readonly title: string;
  /** The primary first. */
  readonly processes: readonly Memory[];
  readonly pss: number;
  /** The same after a login; null with several workers, of which one has had it. */
  readonly afterLogin: number | null;
  /** From nothing to ready. */
  readonly cpuMs: number;
}

/** For the report. */
export function idleCell({ title, pss }: Idle): Cell {
  return {
    scenario: {
      name: 'memory',
      title: 'memory of an idle daemon',
      reconnect: false,
      headers: () => ({}),
      fault: () => null,
    },
    target: {
      name: `akprox-idle-${title}`,
      title,
      only: null,
      url: () => '',
      answers: 'outpost',
      pids: [],
      close: async () => {},
    },
    headers: {},
    samples: [
      { checksPerSecond: Number.NaN, cpu: null, p50: Number.NaN, p99: Number.NaN, p999: Number.NaN, rss: null, pss },
    ],
    paced: [],
    fault: null,
  };
}

export async function measureMemory(
  progress: (text: string) => void,
  told: (idle: Idle) => void = () => {},
): Promise<Row[]> {
  const closers: (() => unknown)[] = [];
  const rows: Row[] = [];
  try {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-memory-'));
    closers.push(() => rmSync(directory, { recursive: true, force: true }));
    const node = join(directory, 'node');
    copyFileSync(process.execPath, node);
    const idp = await startIdp({ clients: [clientFor('whoami', APP)], accounts: ACCOUNTS });
    closers.push(() => idp.close());
    const stores: [string, Record<string, unknown> | null][] = [['embedded', null]];
    if (installed('redis-server')) {
      const redis = await startRedis();
      closers.push(() => redis.stop());
      stores.push(['Redis', { kind: 'redis', url: redis.url }]);
    }
    for (const [name, store] of stores) {
      for (const https of ['127.0.0.1:0', null]) {
        const what = `${name}, HTTPS ${https === null ? 'off' : 'on'}`;
        const measure = async (workers: number): Promise<Idle> => {
          const title = `${what}, ${workers} worker${workers === 1 ? '' : 's'}`;
          progress(`idle: ${title}`);
          const config = { ...(store && { store }), listen: { https }, workers };
          const idle = await measureIdle(title, node, idp, config);
          told(idle);
          return idle;
        };
        const one = await measure(1);
        const further = (await measure(2)).pss - one.pss;
        const unit = { unit: ' MiB', digits: 1 };
        rows.push({ title: `idle, ${what}: PSS with one worker`, limit: 75, rounds: [one.pss / MIB], ...unit });
        rows.push({ title: `idle, ${what}: PSS of a further worker`, limit: 30, rounds: [further / MIB], ...unit });
      }
    }
    return rows;
  } finally {
    for (const close of closers.toReversed()) await close();
  }
}

/** Starts one, and waits until it has asked the identity provider and has done nothing for a while. */
async function measureIdle(title: string, node: string, idp: Idp, config: ConfigInput): Promise<Idle> {
  const providers = [testProvider(idp.issuer, { access: { groups: ['staff'] } })];
  await using daemon = await startDaemon({ ...config, providers }, { command: [node, MAIN] });
  const primary = daemon.child.pid ?? 0;
  const pids = [primary, ...childrenOf(primary)];
  const cpuMs = (cpuWithEnded(pids) ?? Number.NaN) / 1_000;
  await daemon.waitFor((line) => line.msg === 'identity provider: discovered');
  await delay(IDLE_MS);
  const processes = readAll(pids);
  const afterLogin = pids.length > 2 ? null : await logIn(daemon.http).then(() => sumOf(readAll(pids)));
  return { title, processes, pss: sumOf(processes), afterLogin, cpuMs };
}

async function logIn(outpost: string): Promise<void> {
  const front = await startFront(outpost);
  await front.browser().logIn(`${APP}/`, 'alice');
  await front.close();
  await delay(IDLE_MS);
}

function readAll(pids: readonly number[]): Memory[] {
  return pids.map((pid) => {
    const memory = memoryOf(pid);
    if (memory === null) throw new Error('this system does not tell what a process takes (/proc/PID/smaps_rollup)');
    return memory;
  });
}

function sumOf(memories: readonly Memory[]): number {
  return memories.reduce((sum, { pss }) => sum + pss, 0);
}
