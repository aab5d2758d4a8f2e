// What the metrics listener says of this daemon: whether it is ready, whether it had better be started anew, what it has counted.
import { CHECK_RESULTS } from '../application/application.js';
import { VERSION } from '../infra/version.js';
import type { MetricFacts } from '../metrics/page.js';
import type { AdminOptions } from './admin.js';
import type { Counts } from './counts.js';
import type { Managed } from './managed.js';
import type { Questions } from './questions.js';
import type { Supervisor } from './supervisor.js';

export interface StatusOptions {
  readonly supervisor: Supervisor;
  readonly questions: Questions;
  readonly counts: Counts;
  /** Null when no authentik manages this daemon. */
  readonly managed: () => Managed | null;
}

export function createStatus({ supervisor, questions, counts, managed }: StatusOptions): Omit<AdminOptions, 'log'> {
  const { workers } = supervisor;

  function ready(): { ready: boolean; reason: string } {
    if (supervisor.stopping) return { ready: false, reason: 'draining' };
    const unready = managed()?.unready() ?? null;
    if (unready !== null) return { ready: false, reason: unready };
    return workers.ready().length > 0 ? { ready: true, reason: 'ok' } : { ready: false, reason: 'no worker is ready' };
  }

  function facts(): MetricFacts {
    const status = managed()?.status() ?? null;
    return {
      workers: workers.ready().length,
      workersWanted: supervisor.wanted,
      restarts: supervisor.restarts,
      version: VERSION,
      checkResults: CHECK_RESULTS,
      outpost: status && {
        name: status.outpost?.name ?? '',
        uuid: status.instanceId,
        connected: status.connected,
        lastUpdate: status.lastUpdate,
      },
    };
  }

  return {
    ready,
    dead: () => supervisor.problem(),
    degraded: () => questions.ask('health'),
    /** What has been counted since the start. A worker that does not answer in time counts with its last report. */
    async report() {
      await questions.ask('report');
      return counts.with(workers.reports());
    },
    facts,
  };
}
