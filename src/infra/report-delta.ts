// A worker's report on its way to the primary. Of a thousand providers most have been asked for nothing since the last scrape:
// only the rows that have changed are sent, and the primary keeps the others.
import { EMPTY_REPORT, type WorkerReport } from './worker-report.js';

export interface ReportDelta {
  /** Whether `rows` has all rows: at the start, and when some are no more. */
  readonly whole: boolean;
  /** In `checks` and `requests` only what has changed; everything else as it is. */
  readonly rows: WorkerReport;
}

/** In the worker. Each delta counts from the one before, so none may be lost: both ends of a channel live as long as it does. */
export class DeltaSource {
  private checks = new Map<string, number>();
  private requests = new Map<string, number>();

  next(report: WorkerReport): ReportDelta {
    const checks = new Map(report.checks.map(([name, counts]) => [name, sumOf(counts, 0)]));
    const requests = new Map(report.requests.map((row) => [keyOf(row), sumOf(row, 3)]));
    // Counts only grow, so a row with the same sum is the same row.
    const changed = {
      checks: report.checks.filter(([name]) => this.checks.get(name) !== checks.get(name)),
      requests: report.requests.filter((row) => this.requests.get(keyOf(row)) !== requests.get(keyOf(row))),
    };
    const whole = isEmpty(this.checks) || lost(this.checks, checks) || lost(this.requests, requests);
    this.checks = checks;
    this.requests = requests;
    return { whole, rows: whole ? report : { ...report, ...changed } };
  }
}

/** In the primary: what one worker has counted so far. */
export class DeltaSink {
  private checks = new Map<string, WorkerReport['checks'][number]>();
  private requests = new Map<string, WorkerReport['requests'][number]>();
  private rest: WorkerReport = EMPTY_REPORT;

  add({ whole, rows }: ReportDelta): void {
    if (whole) {
      this.checks = new Map();
      this.requests = new Map();
    }
    for (const row of rows.checks) this.checks.set(row[0], row);
    for (const row of rows.requests) this.requests.set(keyOf(row), row);
    this.rest = rows;
  }

  report(): WorkerReport {
    return { ...this.rest, checks: [...this.checks.values()], requests: [...this.requests.values()] };
  }
}

function keyOf([host, method]: WorkerReport['requests'][number]): string {
  return `${host}\0${method}`;
}

function sumOf(row: readonly (string | number)[], from: number): number {
  let sum = 0;
  for (let i = from; i < row.length; i += 1) sum += row[i] as number;
  return sum;
}

function isEmpty(map: ReadonlyMap<string, unknown>): boolean {
  return map.size === 0;
}

function lost(before: ReadonlyMap<string, unknown>, now: ReadonlyMap<string, unknown>): boolean {
  for (const key of before.keys()) if (!now.has(key)) return true;
  return false;
}
