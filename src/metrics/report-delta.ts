// A worker's report on its way to the primary. Of a thousand providers most have been asked for nothing since the last scrape:
// only the rows that have changed are sent, and the primary keeps the others.
import { EMPTY_REPORT, type WorkerReport } from './report.js';

/** Each counts from the one before, so none may be lost: both ends of the channel live as long as it does. */
export interface ReportDelta {
  /** Whether `rows` has all rows: the first time, and when some may be no more. */
  readonly whole: boolean;
  /** In `checks` and `requests` only what has changed; everything else as it is. */
  readonly rows: WorkerReport;
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
