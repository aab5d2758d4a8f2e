// How an answer has to end, and which connections end with it.

import { CONTENT_LENGTH, TRANSFER_ENCODING } from './header-names.js';
import type { LiveRequest } from './live-request.js';

/** How an answer ends: a sum of these. A number, because the hot path makes no object. */
export type Framing = number;
export const KEEP_ALIVE: Framing = 0;
/** The connection is wanted no more. */
export const CLOSE: Framing = 1;
/** Only the head is sent. */
export const HEAD: Framing = 2;
/** The request announces a body: only a `PendingAnswer` may answer it. */
export const BODY: Framing = 4;
/** Set by `PendingAnswer`: the body is still on its way. */
export const UNREAD: Framing = 8;

/**
 * One connection in about a thousand is closed after its answer, so that pools spread over the workers again. At random, or
 * a client whose requests come in a rhythm would meet it each time, or never.
 */
const REBALANCE = 1_000;

/** Of one listener: which of its connections are kept. */
export class Framer {
  private readonly random: () => number;
  private untilRebalance: number;
  /** Each connection ends with its next answer. */
  private draining = false;

  /** `random`: 0 ≤ x < 1. */
  constructor(random: () => number) {
    this.random = random;
    this.untilRebalance = this.checksUntilRebalance();
  }

  drain(): void {
    this.draining = true;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /**
   * HOT PATH. An answer without a body that keeps its connection is framed alike for every method, and a chunked body behind it is
   * read and thrown away by uWebSockets.js, so neither is looked at.
   */
  ofHit(req: LiveRequest): Framing {
    const length = req.get(CONTENT_LENGTH);
    if ((length !== '' && length !== '0') || this.untilRebalance <= 1 || this.draining) return this.of(req);
    this.untilRebalance -= 1;
    return KEEP_ALIVE;
  }

  of(req: LiveRequest): Framing {
    const length = req.get(CONTENT_LENGTH);
    const body = (length !== '' && length !== '0') || req.get(TRANSFER_ENCODING) !== '';
    this.untilRebalance -= 1;
    const close = this.untilRebalance <= 0 || this.draining;
    if (this.untilRebalance <= 0) this.untilRebalance = this.checksUntilRebalance();
    return (close ? CLOSE : KEEP_ALIVE) | (req.isHead() ? HEAD : KEEP_ALIVE) | (body ? BODY : KEEP_ALIVE);
  }

  /** A whole number: V8 would put a fraction on the heap at each count. */
  private checksUntilRebalance(): number {
    return Math.ceil(2 * REBALANCE * this.random());
  }
}
