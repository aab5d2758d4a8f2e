// How long checks take. To read a clock twice costs about as much as the rest of a cached check, so of those one in
// `HITS_PER_SAMPLE` is timed and counted for all of them; everything slower is timed each time.
import { performance } from 'node:perf_hooks';
import { Buckets, CHECK_BOUNDS, REQUEST_BOUNDS, trimmed } from '../infra/buckets.js';
import { forgetOldest, type WorkerReport } from '../infra/worker-report.js';

/** A prime: with a multiple of `HITS_PER_LOOK` (check.ts) the sample would hold only checks that look at every header, or none. */
export const HITS_PER_SAMPLE = 61;

/** A client chooses its method; what is none of these is `other`. */
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const OTHER = 'other';

export class CheckTiming {
  readonly duration = new Buckets(CHECK_BOUNDS);
  private readonly byHost = new Map<string, Map<string, Buckets>>();
  private untilSample = HITS_PER_SAMPLE;

  /** `clock`: milliseconds, monotonic, never 0. */
  constructor(private readonly clock: () => number = () => performance.now()) {}

  /** HOT PATH. When this check began if it is one of the sample, else 0. */
  sample(): number {
    this.untilSample -= 1;
    if (this.untilSample > 0) return 0;
    this.untilSample = HITS_PER_SAMPLE;
    return this.clock();
  }

  /** A check of the sample was answered from the cache. */
  hit(started: number, host: string, method: string): void {
    this.add(started, host, method, HITS_PER_SAMPLE);
  }

  /** A check is not answered from the cache; call what is returned when it has been answered. `host`: of its provider, if any. */
  slow(host: string | null, method: string): () => void {
    const started = this.clock();
    return () => this.add(started, host ?? OTHER, method, 1);
  }

  /** Drops the longest gone of the hosts that no provider has any more. */
  forgetHosts(known: ReadonlySet<string>): void {
    forgetOldest(this.byHost, known);
  }

  report(): Pick<WorkerReport, 'checkDuration' | 'requests'> {
    return {
      checkDuration: trimmed(this.duration),
      requests: [...this.byHost].flatMap(([host, methods]) =>
        [...methods].map(([method, duration]) => ({
          host,
          method,
          duration: trimmed(duration),
        })),
      ),
    };
  }

  private add(started: number, host: string, method: string, weight: number): void {
    const seconds = (this.clock() - started) / 1_000;
    this.duration.observe(seconds, weight);
    const known = METHODS.includes(method) ? method : OTHER;
    let methods = this.byHost.get(host);
    if (methods === undefined) {
      methods = new Map<string, Buckets>();
      this.byHost.set(host, methods);
    }
    let buckets = methods.get(known);
    if (buckets === undefined) {
      buckets = new Buckets(REQUEST_BOUNDS);
      methods.set(known, buckets);
    }
    buckets.observe(seconds, weight);
  }
}
