// What goes over a connection at a time: some requests, pipelined. The order is that of the seed, whoever sends them.
import { makeCheck } from './checks.js';
import { damage } from './framing.js';
import type { Random } from './random.js';
import { makeStep } from './steps.js';
import type { Fuzzed } from './wire.js';
import type { FuzzWorld } from './world.js';

export interface Batch {
  readonly requests: readonly Fuzzed[];
  /** Where the bytes are cut into two writes; null: one write. */
  readonly cut: number | null;
}

export interface BatchOptions {
  /** Share of batches whose last request ends the connection; it costs a handshake. */
  readonly damaged: number;
  /** Whether the listener takes requests behind one that waits. */
  readonly pipelinesWaiting: boolean;
}

const MOST = 32;

export function makeBatch(r: Random, world: FuzzWorld, options: BatchOptions): Batch {
  const size = r.chance(0.3) ? 1 : 1 + r.below(MOST);
  const damaged = r.chance(options.damaged);
  // Now and then behind one that waits, whatever comes of it.
  const mixed = options.pipelinesWaiting || r.chance(0.01);
  const requests: Fuzzed[] = [];
  while (requests.length < size) {
    const request =
      size === 1 && r.chance(0.6)
        ? makeStep(r, world)
        : mixed && r.chance(0.2)
          ? makeStep(r, world)
          : makeCheck(r, world);
    const isLast = request.framing !== 'plain' || (request.waits && !mixed) || requests.length === size - 1;
    requests.push(isLast && damaged ? damage(r, world, request) : request);
    if (isLast) break;
  }
  return { requests, cut: r.chance(0.05) ? chooseCut(r, requests) : null };
}

/**
 * Not inside a request line: uWebSockets.js 20.0.8 answers 505 when the second piece begins with the version or a part of it
 * (uWebSockets#1776).
 */
function chooseCut(r: Random, requests: readonly Fuzzed[]): number {
  const at = r.below(requests.length);
  const start = requests.slice(0, at).reduce((sum, { bytes }) => sum + bytes.length, 0);
  const { bytes } = requests[at] as Fuzzed;
  const line = bytes.indexOf('\n') + 1;
  return start + (line === 0 ? bytes.length : line + r.below(bytes.length - line + 1));
}
