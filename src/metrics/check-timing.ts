// How long checks take. To read a clock twice costs about as much as the rest of a cached check, so of those that are answered
// at once one in `CHECKS_PER_SAMPLE` is timed and counted for all of them; those that wait for somebody are timed each time.
import { performance } from 'node:perf_hooks';
import { Buckets } from '../infra/buckets.js';
import type { Row } from './metric.js';

/** In seconds. From 10 µs: a cached check takes less than the first bound, one that asks the store is in the middle. */
export const CHECK_BOUNDS = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5,
];
/** Prometheus' defaults, which the official outpost has. */
export const REQUEST_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A prime: with a multiple of `CHECKS_PER_INSPECTION` (http/check-state.ts) the sample would hold only checks that look at every header, or none. */
export const CHECKS_PER_SAMPLE = 61;

/** A client chooses its method; what is none of these is `other`. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
/** The `host` of requests for nobody's. */
export const OTHER = 'other';

export class CheckTiming {
  private readonly clock: () => number;
  readonly duration = new Buckets(CHECK_BOUNDS);
  /** By host, then by method; since the last `takeRequests`. */
  private readonly requests = new Map<string, Map<string, Buckets>>();
  private untilSample = CHECKS_PER_SAMPLE;

  /** `clock`: milliseconds, monotonic, never 0. */
  constructor(clock: () => number = () => performance.now()) {
    this.clock = clock;
  }

  /** HOT PATH. When this check began if it is one of the sample, else 0. */
  sample(): number {
    this.untilSample -= 1;
    return this.untilSample > 0 ? 0 : this.clock();
  }

  /** A check of the sample was answered at once. `host`: of its provider, if any. */
  sampled(started: number, host: string | null, method: string): void {
    this.untilSample = CHECKS_PER_SAMPLE;
    this.add(started, host, method, CHECKS_PER_SAMPLE);
  }

  /** This check waits for somebody, and so neither is in the sample nor is one of those that it stands for. */
  waits(host: string | null, method: string): () => void {
    this.untilSample += 1;
    return this.timed(host, method);
  }

  /** Where every check is timed: when this one began, for `timed`. */
  start(): number {
    return this.clock();
  }

  /** Outside the sample; call what is returned when the check has been answered. */
  timed(host: string | null, method: string, started = this.start()): () => void {
    return () => this.add(started, host, method, 1);
  }

  /** Of each host and method what was counted since the last call. */
  takeRequests(): Row[] {
    const rows = [...this.requests].flatMap(([host, methods]) =>
      [...methods].map(([method, duration]): Row => [[method, host], duration.take()]),
    );
    this.requests.clear();
    return rows;
  }

  private add(started: number, host: string | null, method: string, weight: number): void {
    const seconds = (this.clock() - started) / 1_000;
    this.duration.observe(seconds, weight);
    const known = METHODS.includes(method) ? method : OTHER;
    const place = host ?? OTHER;
    let methods = this.requests.get(place);
    if (methods === undefined) {
      methods = new Map<string, Buckets>();
      this.requests.set(place, methods);
    }
    let duration = methods.get(known);
    if (duration === undefined) {
      duration = new Buckets(REQUEST_BOUNDS);
      methods.set(known, duration);
    }
    duration.observe(seconds, weight);
  }
}
