// The metrics page: the workers' plain counters, summed and published when somebody scrapes. What has a series per provider
// is written here and in histogram-page.ts; the rest goes through prom-client.
import { Counter, Gauge, Registry } from 'prom-client';
import { LAG_BOUNDS } from '../session/revocation.js';
import { CHECK_BOUNDS, REQUEST_BOUNDS } from './check-timing.js';
import { escapeLabel, histogramText } from './exposition.js';
import { HistogramPage } from './histogram-page.js';
import { STORE_BOUNDS } from './measured-store.js';
import type { WorkerReport } from './report.js';

export interface MetricFacts {
  /** That are ready. */
  readonly workers: number;
  /** That should be. */
  readonly workersWanted: number;
  readonly restarts: number;
  readonly version: string;
  /** The `result` labels of the counts in a report's `checks`. */
  readonly checkResults: readonly string[];
  /** Null when no authentik manages this daemon. */
  readonly outpost: {
    readonly name: string;
    readonly uuid: string;
    readonly connected: boolean;
    /** Unix milliseconds of the last successful fetch; null before it. */
    readonly lastUpdate: number | null;
  } | null;
}

export class MetricsPage {
  private readonly requests = new HistogramPage(
    'authentik_outpost_proxy_request_duration_seconds',
    'Proxy request latencies in seconds',
    REQUEST_BOUNDS,
  );

  /** UTF-8. `report`: of all workers, merged. */
  async render(report: WorkerReport, facts: MetricFacts): Promise<Buffer> {
    const name = `outpost_name="${escapeLabel(facts.outpost?.name ?? 'akprox')}"`;
    const requests = report.requests.map(([host, method, sum, ...counts]) => ({
      labels: `${name},method="${escapeLabel(method)}",host="${escapeLabel(host)}",type="app"`,
      counts,
      sum,
    }));
    return Buffer.concat([Buffer.from(await restOf(report, facts)), this.requests.render(requests)]);
  }
}

async function restOf(report: WorkerReport, facts: MetricFacts): Promise<string> {
  const registry = new Registry();
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> =>
    new Counter({ name, help, labelNames: [...labelNames], registers: [registry] });
  const gauge = (name: string, help: string, value: number, labels: Record<string, string> = {}): void =>
    new Gauge({ name, help, labelNames: Object.keys(labels), registers: [registry] }).set(labels, value);

  const { cache } = report;
  const { outpost } = facts;
  const logins = counter('akprox_logins_total', 'Logins by provider and result.', ['provider', 'result']);
  for (const { provider, result, count } of report.logins) logins.inc({ provider, result }, count);
  const revocations = counter('akprox_revocations_total', 'Sessions ended, by what ended them.', ['source']);
  for (const { source, count } of report.revocations) revocations.inc({ source }, count);
  const storeErrors = counter('akprox_store_errors_total', 'Store operations that failed.', ['op']);
  for (const { op, errors } of report.store) storeErrors.inc({ op }, errors);
  counter('akprox_session_cache_hits_total', 'Checks answered from the session cache.').inc(cache.hits);
  counter('akprox_session_cache_misses_total', 'Sessions that had to be read from the store.').inc(cache.misses);
  counter('akprox_session_cache_evictions_total', 'Sessions that left the cache for want of room.').inc(
    cache.evictions,
  );
  gauge('akprox_session_cache_bytes', 'Bytes in the session caches of all workers.', cache.bytes);
  gauge('akprox_workers', 'Workers that are ready.', facts.workers);
  gauge('akprox_workers_wanted', 'Workers that should be ready.', facts.workersWanted);
  counter('akprox_worker_restarts_total', 'Workers that died and were started again.').inc(facts.restarts);

  if (outpost !== null) {
    const who = { outpost_name: outpost.name, outpost_type: 'proxy', uuid: outpost.uuid };
    const build = { ...who, version: facts.version, build: '' };
    gauge('authentik_outpost_info', 'Outpost info', 1, build);
    gauge('authentik_outpost_connection', 'Connection status', outpost.connected ? 1 : 0, who);
    if (outpost.lastUpdate !== null)
      gauge('authentik_outpost_last_update', 'Time of last update', outpost.lastUpdate / 1_000, build);
  }

  return [
    `${await registry.metrics()}\n`,
    checksText(report, facts.checkResults),
    histogramText(
      'akprox_check_duration_seconds',
      'Auth checks, from the request to the answer; of those answered from the cache a sample.',
      CHECK_BOUNDS,
      [{ labels: '', counts: report.checkDuration }],
    ),
    histogramText(
      'akprox_revocation_lag_seconds',
      'From the publication of a revocation to its effect in a worker that heard of it.',
      LAG_BOUNDS,
      [{ labels: '', counts: report.lag }],
    ),
    histogramText(
      'akprox_store_duration_seconds',
      'Store operations.',
      STORE_BOUNDS,
      report.store.map(({ op, duration }) => ({ labels: `op="${escapeLabel(op)}"`, counts: duration })),
    ),
  ].join('');
}

/** Every result of every provider, zeros too: a rate needs a first value to rise from. */
function checksText(report: WorkerReport, results: readonly string[]): string {
  const name = 'akprox_checks_total';
  const lines = [`# HELP ${name} Auth checks by provider and result.`, `# TYPE ${name} counter`];
  for (const [provider, counts] of report.checks) {
    const label = escapeLabel(provider);
    results.forEach((result, i) => {
      lines.push(`${name}{provider="${label}",result="${result}"} ${counts[i] ?? 0}`);
    });
  }
  return `${lines.join('\n')}\n`;
}
