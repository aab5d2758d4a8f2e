// What one worker counts, and what of it is new to the primary. A counter must never fall: not because a provider was
// removed, and not because it was changed.
import type { Application, ApplicationTable } from '../application/application.js';
import type { Sessions } from '../session/sessions.js';
import { CheckTiming } from './check-timing.js';
import type { MeasuredStore } from './measured-store.js';
import { forgetOldest, type WorkerReport } from './report.js';
import type { ReportDelta } from './report-delta.js';

export interface TallyOptions {
  readonly applications: ApplicationTable;
  readonly sessions: Sessions;
  readonly store: MeasuredStore;
}

export class Tally {
  readonly timing = new CheckTiming();
  private readonly sessions: Sessions;
  private readonly store: MeasuredStore;
  private applications: ApplicationTable;
  /** By provider, then by result. */
  private readonly logins = new Map<string, Map<string, number>>();
  /** By name: the checks of providers that are no more. */
  private readonly retiredChecks = new Map<string, readonly number[]>();
  /** By provider: how many checks the primary has been sent. Empty: it needs the whole report. */
  private readonly sentChecks = new Map<string, number>();
  private errors = 0;

  constructor({ applications, sessions, store }: TallyOptions) {
    this.applications = applications;
    this.sessions = sessions;
    this.store = store;
  }

  countLogin(application: Application, result: string): void {
    const counts = this.logins.get(application.name) ?? new Map<string, number>();
    this.logins.set(application.name, counts.set(result, (counts.get(result) ?? 0) + 1));
  }

  countError(): void {
    this.errors += 1;
  }

  /** An application that was only changed takes its counts along; those of a removed one are kept while there is room. */
  update(applications: ApplicationTable): void {
    const former = this.applications;
    this.applications = applications;
    const kept = new Set(applications.all.map(({ checks }) => checks));
    for (const { name, checks } of former.all) {
      if (!kept.has(checks)) this.retiredChecks.set(name, this.withRetired(name, checks));
    }
    const names = new Set(applications.all.map(({ name }) => name));
    forgetOldest(this.retiredChecks, names);
    forgetOldest(this.logins, names);
    this.sentChecks.clear();
    this.timing.forgetHosts(new Set(applications.all.map(({ host }) => host)));
  }

  /** What is new since the last one. Rows go only when the configuration changes: then it is all sent again. */
  delta(): ReportDelta {
    const whole = this.sentChecks.size === 0;
    const checks = new Map<string, readonly number[]>(whole ? this.retiredChecks : []);
    for (const { name, checks: counts } of this.applications.all) {
      let sum = 0;
      for (const count of counts) sum += count;
      if (this.sentChecks.get(name) === sum) continue;
      this.sentChecks.set(name, sum);
      checks.set(name, sum === 0 && !this.retiredChecks.has(name) ? [] : this.withRetired(name, counts));
    }
    return { whole, rows: this.report([...checks], whole ? this.timing.report() : this.timing.changes()) };
  }

  private withRetired(name: string, counts: Float64Array): readonly number[] {
    const before = this.retiredChecks.get(name);
    return before === undefined ? [...counts] : [...counts].map((count, i) => count + (before[i] ?? 0));
  }

  private report(
    checks: WorkerReport['checks'],
    timing: Pick<WorkerReport, 'checkDuration' | 'requests'>,
  ): WorkerReport {
    const { sessions } = this;
    return {
      checks,
      logins: [...this.logins].flatMap(([provider, counts]) =>
        [...counts].map(([result, count]) => ({ provider, result, count })),
      ),
      revocations: [...sessions.revocations].map(([source, count]) => ({ source, count })),
      cache: {
        hits: sessions.hits,
        misses: sessions.misses,
        evictions: sessions.cache.evictions,
        bytes: sessions.cache.bytes,
        entries: sessions.cache.size,
      },
      store: [...this.store.ops].map(([op, stats]) => ({
        op,
        errors: stats.errors,
        duration: { counts: stats.duration.counts, sum: stats.duration.sum },
      })),
      lag: { counts: sessions.lag.counts, sum: sessions.lag.sum },
      ...timing,
      errors: this.errors,
    };
  }
}
