// The primary: forks the workers, starts dead ones again, carries revocations between them, swaps configurations and
// drains. It serves no check itself; it owns the metrics listener, which also guards against a second daemon.
import cluster, { type Worker } from 'node:cluster';
import { createServer as createProbe } from 'node:net';
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { AuthentikEnv } from '../config/environment.js';
import type { LoadResult } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { createClock } from '../infra/clock.js';
import { AkproxError, explain } from '../infra/errors.js';
import { createLog } from '../infra/log.js';
import { createGatedLog, type GatedLog } from '../infra/log-gate.js';
import type { MetricFacts } from '../infra/metrics.js';
import { DeltaSink } from '../infra/report-delta.js';
import { VERSION } from '../infra/version.js';
import { asDeparted, EMPTY_REPORT, mergeReports, type WorkerReport } from '../infra/worker-report.js';
import { CHECK_RESULTS } from '../provider/provider.js';
import { openStore } from '../session/open-store.js';
import type { SessionStore } from '../session/store.js';
import { parseAddress } from './address.js';
import { type Admin, startAdmin } from './admin.js';
import { type Managed, startManaged } from './managed.js';
import type { ToPrimary, ToWorker } from './messages.js';
import { writeSelfSigned } from './self-signed.js';
import { UnfinishedDeletions } from './unfinished-deletions.js';

export interface ServeOptions {
  readonly config: Config;
  readonly warnings: readonly string[];
  /** How to reach authentik core, when the environment says so. */
  readonly authentik: AuthentikEnv | null;
  /** Reads the configuration again, for SIGHUP. */
  readonly reload: () => LoadResult;
}

const DRAIN_GRACE = 10_000;
const SWEEP_EVERY = 60_000;
const REPORT_TIMEOUT = 1_000;
/** A worker that dies is started again at once, then after 1, 2, 4 … 30 s while it keeps dying young. */
const YOUNG = 10_000;
const LONGEST_WAIT = 30_000;

/** Runs until it is told to stop; resolves with the exit code. */
export async function serve(options: ServeOptions): Promise<number> {
  const log = createLog(options.config.log.level, 'primary');
  for (const warning of options.warnings) log.warn(warning);
  const primary = new Primary(options, log);
  try {
    await primary.open();
    return await primary.stopped;
  } catch (error) {
    const code = error instanceof AkproxError ? error.code : 'internal';
    log.error({ err: error, code }, 'akprox cannot start');
    return 1;
  } finally {
    primary.cleanUp();
  }
}

interface Member {
  readonly worker: Worker;
  readonly startedAt: number;
  ready: boolean;
  /** What it has told so far; what counts when it does not answer in time, or dies. */
  readonly counted: DeltaSink;
}

/** A question to every ready worker. */
interface Question {
  readonly waiting: Set<number>;
  readonly done: () => void;
  readonly degraded: Set<string>;
}

class Primary {
  readonly stopped: Promise<number>;
  private stop: (code: number) => void = () => {};
  private readonly members = new Map<number, Member>();
  private readonly questions = new Map<number, Question>();
  /** What workers that are no more had counted: a counter must not fall because one died. */
  private departed: WorkerReport = EMPTY_REPORT;
  private admin: Admin | null = null;
  private readonly clock = createClock(Date.now, () => performance.now());
  /** For lines that a request can cause. */
  private readonly gated: GatedLog;
  private readonly unfinished: UnfinishedDeletions;
  private store: SessionStore | null = null;
  private managed: Managed | null = null;
  private config: Config;
  private generation = 0;
  private lastQuestion = 0;
  private restarts = 0;
  private deathsInARow = 0;
  private draining = false;
  private everReady = false;
  private listening = false;
  private tls: Awaited<ReturnType<typeof writeSelfSigned>> | null = null;

  constructor(
    private readonly options: ServeOptions,
    private readonly log: Logger,
  ) {
    this.config = options.config;
    this.gated = createGatedLog(log, this.clock.monotonic);
    this.unfinished = new UnfinishedDeletions({
      store: () => this.store,
      now: this.clock.now,
      after: (milliseconds, action) => void setTimeout(action, milliseconds).unref(),
      log: this.gated,
    });
    this.stopped = new Promise((resolve) => {
      this.stop = resolve;
    });
  }

  async open(): Promise<void> {
    const { log, gated } = this;
    this.config = await withRealPorts(this.config);
    this.admin = await startAdmin(this.config.listen.metrics, {
      ready: () => this.readiness(),
      degraded: () => this.degraded(),
      report: () => this.report(),
      facts: () => this.metricFacts(),
      log: gated,
    });
    // Opened here first: an unusable path is one clear error, not one per worker.
    this.store = await openStore(this.config.store, this.clock.now);
    if (this.config.listen.https !== null) this.tls = await writeSelfSigned();

    cluster.setupPrimary({ silent: false });
    cluster.on('exit', (worker, code, signal) => this.onExit(worker, code, signal));
    cluster.on('message', (worker, message: ToPrimary) => this.onMessage(worker, message));
    process.on('SIGTERM', () => this.drain('SIGTERM'));
    process.on('SIGINT', () => this.drain('SIGINT'));
    process.on('SIGHUP', () => this.reload());
    setInterval(() => this.sweep(), SWEEP_EVERY).unref();

    if (this.options.authentik !== null) {
      this.managed = startManaged({
        env: this.options.authentik,
        config: this.config,
        log,
        configure: (config) => this.configure(config),
        sessionEnd: (sid) => this.tellOne({ type: 'session_end', sid }),
      });
    }

    const count = this.config.workers === 'auto' ? availableParallelism() : this.config.workers;
    log.info(
      { version: VERSION, workers: count, providers: this.config.providers.length, store: this.config.store.kind },
      'starting',
    );
    for (let i = 0; i < count; i += 1) this.fork();
  }

  private fork(): void {
    const worker = cluster.fork({ UWS_HTTP_MAX_HEADERS_SIZE: String(this.config.max_header_bytes) });
    this.members.set(worker.id, { worker, startedAt: Date.now(), ready: false, counted: new DeltaSink() });
  }

  private tell(worker: Worker, message: ToWorker): void {
    if (worker.isConnected())
      worker.send(message, (error) => error && this.log.warn({ err: error }, 'a worker could not be told'));
  }

  /** False when no worker is ready. */
  private tellOne(message: ToWorker): boolean {
    const member = [...this.members.values()].find(({ ready, worker }) => ready && worker.isConnected());
    if (member !== undefined) this.tell(member.worker, message);
    return member !== undefined;
  }

  private broadcast(message: ToWorker, except?: Worker): void {
    for (const { worker } of this.members.values()) if (worker !== except) this.tell(worker, message);
  }

  private onMessage(worker: Worker, message: ToPrimary): void {
    switch (message.type) {
      case 'hello':
        this.tell(worker, {
          type: 'setup',
          setup: { config: this.config, providers: this.config.providers, selfSigned: this.tls?.paths ?? null },
        });
        for (const revocation of this.unfinished.revocations()) this.tell(worker, { type: 'revoked', revocation });
        break;
      case 'ready':
        this.onReady(worker);
        break;
      case 'failed':
        this.log.error({ code: message.code }, message.message);
        // At start nothing will get better by itself; later it may, and the others go on.
        if (!this.everReady) this.giveUp();
        else worker.process.kill('SIGKILL');
        break;
      case 'revoke':
        this.unfinished.add(message.revocation);
        this.broadcast({ type: 'revoked', revocation: message.revocation }, worker);
        break;
      case 'report': {
        this.members.get(worker.id)?.counted.add(message.delta);
        this.answered(worker.id, this.questions.get(message.request));
        break;
      }
      case 'health': {
        const question = this.questions.get(message.request);
        if (message.degraded !== null) question?.degraded.add(message.degraded);
        this.answered(worker.id, question);
        break;
      }
      case 'misconfigured':
        this.managed?.misconfigured(message.event);
        break;
      case 'configured':
      case 'drained':
        break;
    }
  }

  private onReady(worker: Worker): void {
    const member = this.members.get(worker.id);
    if (member === undefined) return;
    member.ready = true;
    this.everReady = true;
    this.log.info({ worker: worker.id, worker_pid: worker.process.pid }, 'worker ready');
    if (this.listening || this.readyCount() < this.members.size) return;
    this.listening = true;
    const { http, https, compat } = this.config.listen;
    this.log.info({ http, https, compat, metrics: this.admin?.address ?? null }, 'listening');
  }

  private onExit(worker: Worker, code: number | null, signal: string | null): void {
    const member = this.members.get(worker.id);
    this.members.delete(worker.id);
    if (member !== undefined) this.departed = this.withDeparted(member.counted.report());
    for (const question of this.questions.values()) this.answered(worker.id, question);
    if (this.draining) {
      if (this.members.size === 0) this.stop(0);
      return;
    }
    const young = member !== undefined && Date.now() - member.startedAt < YOUNG;
    this.deathsInARow = young ? this.deathsInARow + 1 : 0;
    const wait = this.deathsInARow === 0 ? 0 : Math.min(1_000 * 2 ** (this.deathsInARow - 1), LONGEST_WAIT);
    this.restarts += 1;
    this.log.error({ worker: worker.id, exit: code, signal, restart_in_ms: wait }, 'a worker died');
    setTimeout(() => {
      if (!this.draining) this.fork();
    }, wait);
  }

  private reload(): void {
    const result = this.options.reload();
    if (!result.ok) {
      for (const { path, message } of result.problems) this.log.error({ setting: path }, message);
      this.log.error('the configuration was not changed: the new one has problems');
      return;
    }
    const { listen, workers, store, cache, max_header_bytes } = this.config;
    const next: Config = { ...result.config, listen, workers, store, cache, max_header_bytes };
    for (const setting of ['listen', 'workers', 'store', 'cache', 'max_header_bytes'] as const) {
      if (JSON.stringify(result.config[setting]) !== JSON.stringify(this.options.config[setting])) {
        this.log.warn({ setting }, 'this setting changes at a restart only');
      }
    }
    this.configure(this.managed?.merge(next) ?? next);
  }

  private configure(next: Config): void {
    this.config = next;
    this.log.level = next.log.level;
    this.generation += 1;
    this.broadcast({ type: 'configure', generation: this.generation, config: next, providers: next.providers });
    this.log.info({ generation: this.generation, providers: next.providers.length }, 'the configuration was changed');
  }

  private drain(signal: string): void {
    if (this.draining) return;
    this.draining = true; // readiness goes red from here on
    this.managed?.stop();
    this.log.info({ signal }, 'draining');
    if (this.members.size === 0) this.stop(0);
    this.broadcast({ type: 'drain', graceMs: DRAIN_GRACE });
    setTimeout(() => this.killAll(), DRAIN_GRACE + 5_000).unref();
  }

  private giveUp(): void {
    this.draining = true;
    this.killAll();
    this.stop(1);
  }

  private killAll(): void {
    for (const { worker } of this.members.values()) worker.process.kill('SIGKILL');
  }

  private sweep(): void {
    this.store?.sweep().catch((error: unknown) => this.log.warn({ err: error }, 'expired sessions could not be swept'));
  }

  private readyCount(): number {
    return [...this.members.values()].filter((member) => member.ready).length;
  }

  private readiness(): { ready: boolean; reason: string } {
    if (this.draining) return { ready: false, reason: 'draining' };
    const unready = this.managed?.unready() ?? null;
    if (unready !== null) return { ready: false, reason: unready };
    return this.readyCount() > 0 ? { ready: true, reason: 'ok' } : { ready: false, reason: 'no worker is ready' };
  }

  private withDeparted(report: WorkerReport): WorkerReport {
    const known = new Set(
      this.config.providers.flatMap(({ name, external_host }) => [name, new URL(external_host).host]),
    );
    return asDeparted(mergeReports([this.departed, report]), known);
  }

  /** What has been counted since the start. A worker that does not answer in time counts with its last report. */
  private async report(): Promise<WorkerReport> {
    await this.askAll((request) => ({ type: 'report', request }));
    return mergeReports([this.departed, ...[...this.members.values()].map(({ counted }) => counted.report())]);
  }

  private async degraded(): Promise<readonly string[]> {
    const { degraded } = await this.askAll((request) => ({ type: 'health', request }));
    return [...degraded];
  }

  private metricFacts(): MetricFacts {
    const status = this.managed?.status() ?? null;
    return {
      workers: this.readyCount(),
      restarts: this.restarts,
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

  /** Resolves when every ready worker has answered or died, or the time is up. */
  private askAll(message: (request: number) => ToWorker): Promise<Question> {
    const asked = [...this.members.values()].filter((member) => member.ready);
    this.lastQuestion += 1;
    const request = this.lastQuestion;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.questions.delete(request);
        resolve(question);
      };
      const timer = setTimeout(done, REPORT_TIMEOUT);
      const question: Question = { waiting: new Set(asked.map(({ worker }) => worker.id)), done, degraded: new Set() };
      this.questions.set(request, question);
      for (const { worker } of asked) this.tell(worker, message(request));
      if (asked.length === 0) done();
    });
  }

  private answered(worker: number, question: Question | undefined): void {
    if (question?.waiting.delete(worker) && question.waiting.size === 0) question.done();
  }

  cleanUp(): void {
    this.managed?.stop();
    this.admin?.close();
    this.tls?.remove();
    this.store?.close().catch((error: unknown) => this.log.warn(explain(error)));
    process.removeAllListeners('SIGHUP');
    cluster.removeAllListeners();
  }
}

/** Port 0 means "any": each worker would get its own, so one is chosen here for all of them. */
async function withRealPorts(config: Config): Promise<Config> {
  const choose = async (address: string | null): Promise<string | null> => {
    if (address === null || !address.endsWith(':0')) return address;
    const { host } = parseAddress(address);
    const port = await new Promise<number>((resolve, reject) => {
      const probe = createProbe().once('error', reject);
      probe.listen(0, host, () => {
        const bound = probe.address();
        probe.close(() => resolve(typeof bound === 'object' && bound !== null ? bound.port : 0));
      });
    });
    return address.replace(/0$/, String(port));
  };
  const { http, https, compat, metrics } = config.listen;
  return {
    ...config,
    listen: { http: await choose(http), https: await choose(https), compat: await choose(compat), metrics },
  };
}
