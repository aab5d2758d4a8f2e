// The command line of the bench. Every setting that can change a figure is here, and ends up in the result.
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { CAPACITY_USAGE } from './capacity.js';

export type Generator = 'wrk' | 'autocannon' | 'h2load';

export interface Peer {
  readonly name: string;
  readonly url: string;
}

export interface Settings {
  readonly generator: Generator;
  readonly connections: number;
  readonly rounds: number;
  readonly seconds: number;
  /** CPU numbers; null when nothing is pinned. */
  readonly serverCpus: string | null;
  readonly loadCpus: string | null;
  /** Checks per second of the rounds in which autocannon asks at a fixed rate; none when there are none. */
  readonly rate?: number;
}

export interface Options extends Settings {
  readonly peers: readonly Peer[];
  /** Names of scenarios; empty: all. */
  readonly only: readonly string[];
  /** The scale scenarios instead of the budget's. */
  readonly scale: boolean;
  /** Keep the result in bench/results/. */
  readonly save: boolean;
  /** Keep it although the tree is not that of a commit. */
  readonly dirty: boolean;
}

export const USAGE = `npm run bench -- [--quick] [--load wrk|autocannon] [--rounds N] [--seconds N] [--connections N]
                  [--only SCENARIO]... [--peer NAME=URL]... [--scale] [--save [--dirty]]
${CAPACITY_USAGE}`;

export function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      quick: { type: 'boolean', default: false },
      load: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      connections: { type: 'string', default: '64' },
      scale: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      dirty: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      peer: { type: 'string', multiple: true, default: [] },
    },
  });
  const generator = values.load ?? (installed('wrk') ? 'wrk' : 'autocannon');
  if (generator !== 'wrk' && generator !== 'autocannon') throw new Error(`--load is wrk or autocannon\n${USAGE}`);
  if (values.save && values.only.length > 0) throw new Error(`--save keeps whole runs, not --only\n${USAGE}`);
  return {
    generator,
    connections: positive('connections', values.connections),
    rounds: positive('rounds', values.rounds ?? (values.quick || values.scale ? '3' : '5')),
    seconds: positive('seconds', values.seconds ?? (values.quick ? '1' : '2')),
    ...pinning(),
    only: values.only,
    scale: values.scale,
    save: values.save,
    dirty: values.dirty,
    peers: values.peer.map((text) => {
      const equals = text.indexOf('=');
      if (equals < 1) throw new Error(`--peer is NAME=URL\n${USAGE}`);
      return { name: text.slice(0, equals), url: text.slice(equals + 1) };
    }),
  };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is a whole number above 0\n${USAGE}`);
  return value;
}

/** Servers on the first core, the load on all others. With one core, or without taskset, nothing is pinned. */
export function pinning(): { serverCpus: string | null; loadCpus: string | null } {
  const cores = cpus().length;
  if (cores < 2 || !installed('taskset')) return { serverCpus: null, loadCpus: null };
  return { serverCpus: '0', loadCpus: cores === 2 ? '1' : `1-${cores - 1}` };
}

export function installed(program: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
