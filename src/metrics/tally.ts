// What one worker has counted since it last told the primary, which keeps the sums: so nothing here falls when an application
// is removed, and a worker that is killed takes no more with it than this.
import type { Application, ApplicationTable } from '../application/application.js';
import type { Sessions } from '../session/sessions.js';
import { CheckTiming } from './check-timing.js';
import type { IdpHealth } from './idp-health.js';
import type { MeasuredStore } from './measured-store.js';
import type { Counts, Gauge, Metric, Row, WorkerParts } from './metric.js';

interface Told {
  readonly values: readonly string[];
  count: number;
}

export interface TallyOptions {
  readonly applications: ApplicationTable;
  readonly sessions: Sessions;
  readonly store: MeasuredStore;
  readonly idps: IdpHealth;
}

/** The counters of a table that are counted by `Tally.count`. */
type CountedHere<T extends readonly Metric[]> = Exclude<
  Extract<T[number], { type: 'counter' }>,
  { take: unknown } | { show: unknown }
>;
type Strings<L extends readonly string[]> = { readonly [K in keyof L]: string };

export class Tally<const T extends readonly Metric[]> {
  readonly timing = new CheckTiming();
  private readonly metrics: T;
  private readonly sessions: Sessions;
  private readonly store: MeasuredStore;
  private readonly idps: IdpHealth;
  private applications: readonly Application[];
  /** By the name of the metric, then by its values. */
  private readonly told = new Map<string, Map<string, Told>>();
  /** By the name of the gauge: its rows as they were last sent. */
  private readonly sentGauges = new Map<string, string>();
  /** What was counted under a former configuration. */
  private former: Counts = [];

  constructor(metrics: T, { applications, sessions, store, idps }: TallyOptions) {
    this.metrics = metrics;
    this.applications = applications.all;
    this.sessions = sessions;
    this.store = store;
    this.idps = idps;
  }

  /** `values`: of the metric's labels. */
  count<Name extends CountedHere<T>['name']>(
    metric: Name,
    ...values: Strings<Extract<CountedHere<T>, { name: Name }>['labels']>
  ): void {
    const rows = this.told.get(metric) ?? new Map<string, Told>();
    this.told.set(metric, rows);
    const key = values.join('\0');
    const row = rows.get(key);
    if (row === undefined) rows.set(key, { values, count: 1 });
    else row.count += 1;
  }

  /** Checks of an application that is removed are taken before nobody knows it any more. */
  update(applications: ApplicationTable): void {
    this.former = this.take() ?? [];
    this.applications = applications.all;
    this.idps.keep(new Set(this.applications.map(({ name }) => name)));
  }

  /** What is new since the last call; null when nothing is. */
  take(): Counts | null {
    const { applications, sessions, store, timing, idps } = this;
    const parts: WorkerParts = { applications, sessions, store, timing, idps };
    const counts = [...this.former];
    this.former = [];
    for (const metric of this.metrics) {
      const rows = this.newRows(metric, parts);
      if (rows !== null) counts.push([metric.name, rows]);
    }
    return counts.length === 0 ? null : counts;
  }

  private newRows(metric: Metric, parts: WorkerParts): readonly Row[] | null {
    if ('show' in metric) return null;
    if (metric.type === 'gauge') return this.gaugeIfNew(metric, parts);
    const rows = metric.take === undefined ? this.takeTold(metric.name) : metric.take(parts);
    return rows.length === 0 ? null : rows;
  }

  private takeTold(name: string): readonly Row[] {
    const rows = [...(this.told.get(name)?.values() ?? [])].map(({ values, count }): Row => [values, [count]]);
    this.told.delete(name);
    return rows;
  }

  private gaugeIfNew(gauge: Gauge, parts: WorkerParts): readonly Row[] | null {
    const rows = gauge.read(parts);
    const text = JSON.stringify(rows);
    if ((this.sentGauges.get(gauge.name) ?? '[]') === text) return null;
    this.sentGauges.set(gauge.name, text);
    return rows;
  }
}
