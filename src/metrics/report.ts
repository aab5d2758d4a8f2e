// What a worker has counted, and how the reports of several become one. Counters only ever grow: what a dead worker had
// counted stays in the sum, and what a removed provider had counted is kept while there is room.
import { addBuckets, type BucketCounts } from '../infra/buckets.js';

/** A worker's counters, cumulative since it started. Rows with zeros are short, because a scrape must not disturb checks. */
export interface WorkerReport {
  /** By provider: its counts in the order of `CHECK_RESULTS`; empty when all are zero. */
  readonly checks: readonly (readonly [provider: string, counts: readonly number[]])[];
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
  readonly checkDuration: BucketCounts;
  /** There are thousands of them: as short as can be, for the way to the primary. */
  readonly requests: readonly RequestRow[];
  readonly errors: number;
}

/** `sum` in seconds; counts by bound, not cumulative, zeros at the end left out. */
export type RequestRow = readonly [host: string, method: string, sum: number, ...counts: number[]];

/** How many providers (or hosts) that are no more are remembered for the sake of their counters. */
export const REMEMBERED = 1_000;

const NOTHING: BucketCounts = { counts: [], sum: 0 };

export const EMPTY_REPORT: WorkerReport = {
  checks: [],
  logins: [],
  revocations: [],
  cache: { hits: 0, misses: 0, evictions: 0, bytes: 0, entries: 0 },
  store: [],
  lag: NOTHING,
  checkDuration: NOTHING,
  requests: [],
  errors: 0,
};

/** One report in place of several. */
export function mergeReports(reports: readonly WorkerReport[]): WorkerReport {
  const sum = (read: (report: WorkerReport) => number): number => reports.reduce((total, r) => total + read(r), 0);
  const buckets = (read: (report: WorkerReport) => BucketCounts): BucketCounts =>
    reports.map(read).reduce(addBuckets, NOTHING);
  return {
    checks: mergeChecks(reports),
    logins: mergeRows(
      reports.flatMap(({ logins }) => logins),
      ({ provider, result }) => `${provider}\0${result}`,
      (one, other) => ({ ...one, count: one.count + other.count }),
    ),
    revocations: mergeRows(
      reports.flatMap(({ revocations }) => revocations),
      ({ source }) => source,
      (one, other) => ({ ...one, count: one.count + other.count }),
    ),
    cache: {
      hits: sum(({ cache }) => cache.hits),
      misses: sum(({ cache }) => cache.misses),
      evictions: sum(({ cache }) => cache.evictions),
      bytes: sum(({ cache }) => cache.bytes),
      entries: sum(({ cache }) => cache.entries),
    },
    store: mergeRows(
      reports.flatMap(({ store }) => store),
      ({ op }) => op,
      (one, other) => ({
        op: one.op,
        errors: one.errors + other.errors,
        duration: addBuckets(one.duration, other.duration),
      }),
    ),
    lag: buckets(({ lag }) => lag),
    checkDuration: buckets(({ checkDuration }) => checkDuration),
    requests: mergeRequests(reports),
    errors: sum(({ errors }) => errors),
  };
}

function mergeChecks(reports: readonly WorkerReport[]): WorkerReport['checks'] {
  const merged = new Map<string, number[]>();
  for (const { checks } of reports) {
    for (const [provider, counts] of checks) {
      const into = merged.get(provider);
      if (into === undefined) merged.set(provider, [...counts]);
      else for (let i = 0; i < counts.length; i += 1) into[i] = (into[i] ?? 0) + (counts[i] as number);
    }
  }
  return [...merged];
}

/** In place, because there are thousands: it makes one row per series, not one per series and worker. */
function mergeRequests(reports: readonly WorkerReport[]): WorkerReport['requests'] {
  const byHost = new Map<string, Map<string, (string | number)[]>>();
  const merged: (string | number)[][] = [];
  for (const { requests } of reports) {
    for (const row of requests) {
      const [host, method] = row;
      let methods = byHost.get(host);
      if (methods === undefined) {
        methods = new Map<string, (string | number)[]>();
        byHost.set(host, methods);
      }
      const into = methods.get(method);
      if (into === undefined) {
        const first = [...row];
        methods.set(method, first);
        merged.push(first);
      } else for (let i = 2; i < row.length; i += 1) into[i] = ((into[i] ?? 0) as number) + (row[i] as number);
    }
  }
  return merged as unknown as RequestRow[];
}

function mergeRows<T>(rows: readonly T[], keyOf: (row: T) => string, add: (one: T, other: T) => T): T[] {
  const merged = new Map<string, T>();
  for (const row of rows) {
    const key = keyOf(row);
    const known = merged.get(key);
    merged.set(key, known === undefined ? row : add(known, row));
  }
  return [...merged.values()];
}

/**
 * What is kept of a worker that has died: its counters, not its cache. Of providers and hosts that are not `known` any more
 * the newest are kept.
 */
export function asDeparted(report: WorkerReport, known: ReadonlySet<string>): WorkerReport {
  const kept = newest(
    [...report.checks.map(([provider]) => provider), ...report.logins.map(({ provider }) => provider)],
    known,
  );
  const hosts = newest(
    report.requests.map(([host]) => host),
    known,
  );
  return {
    ...report,
    checks: report.checks.filter(([provider]) => kept.has(provider)),
    logins: report.logins.filter(({ provider }) => kept.has(provider)),
    requests: report.requests.filter(([host]) => hosts.has(host)),
    cache: { ...report.cache, bytes: 0, entries: 0 },
  };
}

function newest(names: readonly string[], known: ReadonlySet<string>): Set<string> {
  const unknown = [...new Set(names)].filter((name) => !known.has(name));
  const dropped = new Set(unknown.slice(0, Math.max(0, unknown.length - REMEMBERED)));
  return new Set(names.filter((name) => !dropped.has(name)));
}

/** Removes the oldest keys that are not `known` until no more than `REMEMBERED` of them are left. */
export function forgetOldest(map: Map<string, unknown>, known: ReadonlySet<string>): void {
  const kept = newest([...map.keys()], known);
  for (const name of [...map.keys()]) if (!kept.has(name)) map.delete(name);
}
