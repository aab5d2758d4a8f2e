// The metrics page: the workers' plain counters, summed and published through prom-client when somebody scrapes.
import { Counter, Gauge, Registry } from 'prom-client';
import { type BucketCounts, histogramText, LAG_BOUNDS, STORE_BOUNDS } from './buckets.js';

/** A worker's counters, cumulative since it started, and how it is. Histograms and labels are made of them at scrape time. */
export interface WorkerReport {
  readonly checks: readonly { readonly provider: string; readonly result: string; readonly count: number }[];
  readonly logins: readonly { readonly provider: string; readonly result: string; readonly count: number }[];
  readonly revocations: readonly { readonly source: string; readonly count: number }[];
  readonly cache: {
    readonly hits: number;
    readonly misses: number;
    readonly evictions: number;
    readonly bytes: number;
    readonly entries: number;
  };
  readonly store: readonly { readonly op: string; readonly errors: number; readonly duration: BucketCounts }[];
  readonly lag: BucketCounts;
  readonly errors: number;
  /** Why this worker is worse than it should be; null when it is well. */
  readonly degraded: string | null;
}

export async function renderMetrics(
  reports: readonly WorkerReport[],
  facts: { workers: number; restarts: number },
): Promise<string> {
  const registry = new Registry();
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  const gauge = (name: string, help: string, value: number): void => {
    new Gauge({ name, help, registers: [registry] }).set(value);
  };

  const checks = counter('akprox_checks_total', 'Auth checks by provider and result.', ['provider', 'result']);
  const logins = counter('akprox_logins_total', 'Logins by provider and result.', ['provider', 'result']);
  const revocations = counter('akprox_revocations_total', 'Sessions ended, by what ended them.', ['source']);
  const storeErrors = counter('akprox_store_errors_total', 'Store operations that failed.', ['op']);
  const hits = counter('akprox_session_cache_hits_total', 'Checks answered from the session cache.');
  const misses = counter('akprox_session_cache_misses_total', 'Sessions that had to be read from the store.');
  const evictions = counter('akprox_session_cache_evictions_total', 'Sessions that left the cache for want of room.');
  for (const report of reports) {
    for (const { provider, result, count } of report.checks) checks.inc({ provider, result }, count);
    for (const { provider, result, count } of report.logins) logins.inc({ provider, result }, count);
    for (const { source, count } of report.revocations) revocations.inc({ source }, count);
    for (const { op, errors } of report.store) storeErrors.inc({ op }, errors);
    hits.inc(report.cache.hits);
    misses.inc(report.cache.misses);
    evictions.inc(report.cache.evictions);
  }
  gauge(
    'akprox_session_cache_bytes',
    'Bytes in the session caches of all workers.',
    reports.reduce((sum, { cache }) => sum + cache.bytes, 0),
  );
  gauge('akprox_workers', 'Workers that are ready.', facts.workers);
  counter('akprox_worker_restarts_total', 'Workers that died and were started again.').inc(facts.restarts);
  const lag = histogramText(
    'akprox_revocation_lag_seconds',
    'From the publication of a revocation to its effect in a worker that heard of it.',
    LAG_BOUNDS,
    reports.map((report) => ({ labels: '', counts: report.lag })),
  );
  const store = histogramText(
    'akprox_store_duration_seconds',
    'Store operations.',
    STORE_BOUNDS,
    reports.flatMap((report) => report.store.map(({ op, duration }) => ({ labels: `op="${op}"`, counts: duration }))),
  );
  return `${await registry.metrics()}\n${lag}${store}`;
}
