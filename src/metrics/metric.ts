// What there is to say about a metric. A worker counts by it, the primary adds up by it, and the page is written by it.
import type { Application } from '../application/application.js';
import type { Sessions } from '../session/sessions.js';
import type { CheckTiming } from './check-timing.js';
import type { IdpHealth } from './idp-health.js';
import type { MeasuredStore } from './measured-store.js';

/**
 * The values of the metric's labels, but for those that `filled` or `columns` has; and its numbers: one, or one for each column, or
 * of a histogram the sum in seconds and what each bucket has, the last one for everything above. Zeros at the end may be missing.
 */
export type Row = readonly [values: readonly string[], numbers: readonly number[]];

/** What a worker counts with. */
export interface WorkerParts {
  readonly applications: readonly Application[];
  readonly sessions: Sessions;
  readonly store: MeasuredStore;
  readonly timing: CheckTiming;
  readonly idps: IdpHealth;
}

/** Of all processes of this daemon together. */
export interface ProcessFacts {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly virtualBytes: number;
  readonly openFds: number;
  readonly maxFds: number;
  /** Unix seconds, of the primary. */
  readonly startTime: number;
}

/** What the primary knows without asking a worker. */
export interface Facts {
  /** That are ready. */
  readonly workers: number;
  /** That should be. */
  readonly workersWanted: number;
  readonly restarts: number;
  readonly version: string;
  /** The version of Node.js. */
  readonly node: string;
  /** What `listen.http` is served by; null as long as no worker has been ready. */
  readonly engine: string | null;
  /** The configuration was taken as it was last read, whole. */
  readonly reloaded: boolean;
  /** Unix milliseconds of the end of each, by name. */
  readonly certificates: readonly (readonly [name: string, end: number])[];
  /** Null where the kernel does not tell. */
  readonly processes: ProcessFacts | null;
  /** Null when no authentik manages this daemon. */
  readonly outpost: {
    readonly name: string;
    readonly uuid: string;
    readonly connected: boolean;
    /** Unix milliseconds of the last successful fetch; null before it. */
    readonly lastUpdate: number | null;
  } | null;
}

interface Described {
  readonly name: string;
  readonly help: string;
  /** In their order on the page. Rows of a `provider` or a `host` that is no more are forgotten when there are too many. */
  readonly labels: readonly string[];
  /** Labels that the page has the value of. */
  readonly filled?: Readonly<Record<string, (facts: Facts) => string>>;
}

/** What workers count, added up; it never falls. */
export interface Counter extends Described {
  readonly type: 'counter';
  /** In place of a label's value a row has a number for each of its values. */
  readonly columns?: { readonly label: string; readonly values: readonly string[] };
  /** Each provider has a row before anything happens: a rate needs a first value to rise from. */
  readonly everyProvider?: true;
  /** What has been counted since the last call. Without it: what `Tally.count` was told. */
  readonly take?: (worker: WorkerParts) => readonly Row[];
}

export interface Histogram extends Described {
  readonly type: 'histogram';
  /** In seconds, ascending. */
  readonly bounds: readonly number[];
  readonly take: (worker: WorkerParts) => readonly Row[];
}

/** What is so in a worker now; it goes with the worker. */
export interface Gauge extends Described {
  readonly type: 'gauge';
  readonly read: (worker: WorkerParts) => readonly Row[];
  /** Of two workers. */
  readonly merge: (one: number, other: number) => number;
  /** What the page has of it. Default: the number itself. */
  readonly shown?: (merged: number) => number;
}

/** What the primary knows by itself; without rows it is not on the page. */
interface PrimaryMetric extends Described {
  readonly type: 'counter' | 'gauge';
  readonly show: (facts: Facts) => readonly Row[];
}

export type WorkerMetric = Counter | Histogram | Gauge;
export type Metric = WorkerMetric | PrimaryMetric;

/** From a worker to the primary: what is new, by the name of the metric. */
export type Counts = readonly (readonly [metric: string, rows: readonly Row[]])[];

/** The labels that a row has values of, in its order. */
export function rowLabels(metric: Metric): readonly string[] {
  const column = 'columns' in metric ? metric.columns?.label : undefined;
  return metric.labels.filter((label) => label !== column && metric.filled?.[label] === undefined);
}

/** Every label with its value, but for that of the columns. */
export function labelled(metric: Metric, [values]: Row, facts: Facts): [label: string, value: string][] {
  const given = new Map(rowLabels(metric).map((label, i) => [label, values[i] ?? '']));
  return metric.labels.flatMap((label): [string, string][] => {
    const value = metric.filled?.[label]?.(facts) ?? given.get(label);
    return value === undefined ? [] : [[label, value]];
  });
}
