// What the metrics listener says of this daemon: whether it is ready, whether it had better be started anew, what it has counted.
import type { Engine } from '../http/engine.js';
import { VERSION } from '../infra/version.js';
import { METRICS } from '../metrics/catalogue.js';
import type { Facts } from '../metrics/metric.js';
import type { MetricsPage } from '../metrics/page.js';
import type { Totals } from '../metrics/totals.js';
import type { AdminOptions } from './admin.js';
import type { CertificateEnds } from './certificate-ends.js';
import type { Managed } from './managed.js';
import { Processes } from './process-facts.js';
import type { Questions } from './questions.js';
import type { RunningConfig } from './running-config.js';
import type { Supervisor } from './supervisor.js';

export interface StatusOptions {
  readonly supervisor: Supervisor;
  readonly questions: Questions;
  readonly totals: Totals;
  readonly config: RunningConfig;
  /** Null when no authentik manages this daemon. */
  readonly managed: () => Managed | null;
  /** Null as long as no worker has been ready. */
  readonly engine: () => Engine | null;
}

export function createStatus({
  supervisor,
  questions,
  totals,
  config,
  managed,
  engine,
}: StatusOptions): Omit<AdminOptions, 'log'> {
  const { workers } = supervisor;
  /** Nobody may ever scrape. */
  let page: MetricsPage | null = null;
  let certificates: CertificateEnds | null = null;
  const processes = new Processes(Date.now() - process.uptime() * 1_000);

  function ready(): { ready: boolean; reason: string } {
    if (supervisor.stopping) return { ready: false, reason: 'draining' };
    const unready = managed()?.unready() ?? null;
    if (unready !== null) return { ready: false, reason: unready };
    return workers.ready().length > 0 ? { ready: true, reason: 'ok' } : { ready: false, reason: 'no worker is ready' };
  }

  function facts(ends: CertificateEnds): Facts {
    const status = managed()?.status() ?? null;
    return {
      workers: workers.ready().length,
      workersWanted: supervisor.wanted,
      restarts: supervisor.restarts,
      version: VERSION,
      node: process.version,
      engine: engine(),
      reloaded: config.isCurrent,
      certificates: ends.of(config.current),
      processes: processes.look([process.pid, ...workers.pids()]),
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
    /** A worker that does not answer in time counts with what it has sent by itself. */
    async metrics() {
      await questions.ask('report');
      const { MetricsPage } = await import('../metrics/page.js');
      const { CertificateEnds } = await import('./certificate-ends.js');
      page ??= new MetricsPage(METRICS);
      certificates ??= new CertificateEnds();
      return page.render(totals, facts(certificates));
    },
  };
}
