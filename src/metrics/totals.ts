// In the primary: what all workers have counted since the start, those that are no more among them. A counter must not fall
// because a worker died, nor because a provider was removed or changed.
import type { ProviderConfig } from '../config/schema.js';
import { AkproxError } from '../infra/errors.js';
import { OTHER } from './check-timing.js';
import { type Counts, type Gauge, type Metric, type Row, rowLabels, type WorkerMetric } from './metric.js';

/** How many providers (or hosts) that are no more are remembered for the sake of their counters. */
export const REMEMBERED = 1_000;

/** A row that is added to: the same object for as long as there is the series. */
export type Series = readonly [values: readonly string[], numbers: number[]];

export class Totals {
  private readonly metrics: readonly WorkerMetric[];
  private readonly names: ReadonlySet<string>;
  /** By the name of the counter or histogram, then by its values. */
  private readonly counted = new Map<string, Map<string, Series>>();
  /** By worker, then by the name of the gauge. */
  private readonly gauges = new Map<number, Map<string, readonly Row[]>>();

  constructor(metrics: readonly Metric[], providers: readonly ProviderConfig[]) {
    this.metrics = metrics.filter((metric): metric is WorkerMetric => !('show' in metric));
    this.names = new Set(this.metrics.map(({ name }) => name));
    for (const metric of this.metrics) {
      if (metric.type === 'gauge') continue;
      this.counted.set(metric.name, new Map());
      if (rowLabels(metric).length === 0) this.addTo(metric.name, [[], [0]]);
    }
    this.update(providers);
  }

  /** From now on its gauges count. */
  joined(worker: number): void {
    this.gauges.set(worker, new Map());
  }

  /** What it has counted stays, and what it had still sent will be added; what was so in it is over. */
  left(worker: number): void {
    this.gauges.delete(worker);
  }

  /** Throws when `counts` makes no sense, and then takes nothing of it: a sum that is spoilt stays so. */
  add(worker: number, counts: Counts): void {
    if (!counts.every(([name, rows]) => this.names.has(name) && rows.every(isRow)))
      throw new AkproxError('internal', 'these are no counts');
    for (const [name, rows] of counts) {
      if (this.counted.has(name)) for (const row of rows) this.addTo(name, row);
      else this.gauges.get(worker)?.set(name, rows);
    }
  }

  /** Providers that are new get their zeros; of those that are no more the latest are kept. */
  update(providers: readonly ProviderConfig[]): void {
    const names = new Set(providers.map(({ name }) => name));
    const hosts = new Set([...providers.map(({ origin }) => origin.host), OTHER]);
    for (const metric of this.metrics) {
      const series = this.counted.get(metric.name);
      if (series === undefined) continue;
      const [provider, host] = [rowLabels(metric).indexOf('provider'), rowLabels(metric).indexOf('host')];
      if (provider !== -1) forgetOldest(series, provider, names);
      if (host !== -1) forgetOldest(series, host, hosts);
      if ('everyProvider' in metric) for (const name of names) this.addTo(metric.name, [[name], []]);
    }
  }

  of(metric: WorkerMetric): readonly Series[] {
    return metric.type === 'gauge' ? this.merged(metric) : [...(this.counted.get(metric.name)?.values() ?? [])];
  }

  private addTo(name: string, [values, numbers]: Row): void {
    const all = this.counted.get(name);
    const key = values.join('\0');
    const series = all?.get(key);
    if (series === undefined) {
      all?.set(key, [values, [...numbers]]);
      return;
    }
    const [, sums] = series;
    for (let i = 0; i < numbers.length; i += 1) sums[i] = (sums[i] ?? 0) + (numbers[i] ?? 0);
  }

  private merged(gauge: Gauge): readonly Series[] {
    const all = new Map<string, Series>();
    for (const told of this.gauges.values()) {
      for (const [values, [number = 0]] of told.get(gauge.name) ?? []) {
        const key = values.join('\0');
        const known = all.get(key)?.[1][0];
        all.set(key, [values, [known === undefined ? number : gauge.merge(known, number)]]);
      }
    }
    if (all.size === 0 && rowLabels(gauge).length === 0) return [[[], [0]]];
    const { shown } = gauge;
    if (shown === undefined) return [...all.values()];
    return [...all.values()].map(([values, [number = 0]]): Series => [values, [shown(number)]]);
  }
}

function isRow([values, numbers]: Row): boolean {
  return values.every((value) => typeof value === 'string') && numbers.every(Number.isFinite);
}

/**
 * Removes the series of those that are not `known` and have been so for longest, until no more than `REMEMBERED` of them are left.
 * `at`: where in its values a series says whose it is.
 */
function forgetOldest(all: Map<string, Series>, at: number, known: ReadonlySet<string>): void {
  const gone = new Set<string>();
  for (const [key, series] of [...all]) {
    const owner = series[0][at] ?? '';
    if (!known.has(owner)) {
      gone.add(owner);
      continue;
    }
    // To the end: those in front are the longest gone.
    all.delete(key);
    all.set(key, series);
  }
  const forgotten = new Set([...gone].slice(0, Math.max(0, gone.size - REMEMBERED)));
  if (forgotten.size === 0) return;
  for (const [key, [values]] of [...all]) if (forgotten.has(values[at] ?? '')) all.delete(key);
}
