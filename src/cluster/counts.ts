// What all workers have counted since the start, those that are no more among them: a counter must not fall because one died.
import type { Config } from '../config/schema.js';
import { asDeparted, EMPTY_REPORT, mergeReports, type WorkerReport } from '../metrics/report.js';

export class Counts {
  private departed: WorkerReport = EMPTY_REPORT;

  /** Throws when `report` makes no sense, and then keeps what it had. */
  keep(report: WorkerReport, config: Config): void {
    const known = new Set(config.providers.flatMap(({ name, origin }) => [name, origin.host]));
    this.departed = asDeparted(mergeReports([this.departed, report]), known);
  }

  with(reports: readonly WorkerReport[]): WorkerReport {
    return mergeReports([this.departed, ...reports]);
  }
}
