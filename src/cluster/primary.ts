// The primary: forks the workers, replaces dead ones, carries revocations between them, swaps configurations and
// drains. It serves no check itself; it owns the metrics listener, which also guards against a second daemon.
import cluster, { type Worker } from 'node:cluster';
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { CHECK_RESULTS } from '../application/application.js';
import type { AuthentikEnv } from '../config/environment.js';
import type { LoadResult } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { createClock } from '../infra/clock.js';
import { AkproxError, explain } from '../infra/errors.js';
import { createLog } from '../infra/log.js';
import { createGatedLog, type GatedLog } from '../infra/log-gate.js';
import { systemTimers } from '../infra/timers.js';
import { VERSION } from '../infra/version.js';
import type { MetricFacts } from '../metrics/page.js';
import type { WorkerReport } from '../metrics/report.js';
import { openStore } from '../session/open-store.js';
import type { SessionStore } from '../session/store.js';
import { type Admin, startAdmin } from './admin.js';
import { Counts } from './counts.js';
import { Liveness } from './liveness.js';
import { type Managed, startManaged } from './managed.js';
import { type Member, Members } from './members.js';
import type { ToPrimary } from './messages.js';
import { choosePorts } from './ports.js';
import { Questions } from './questions.js';
import { type OnDisk, refusal, withoutRestart } from './reload.js';
import { type Ending, isHopeless, Slot } from './respawn.js';
import { Rollout } from './rollout.js';
import { openSelfSigned, type SelfSigned } from './self-signed.js';
import { UnfinishedDeletions } from './unfinished-deletions.js';

export interface ServeOptions {
  readonly config: Config;
  readonly warnings: readonly string[];
  /** How many settings the file has. */
  readonly settings: number;
  /** How to reach authentik core, when the environment says so. */
  readonly authentik: AuthentikEnv | null;
  /** Reads the configuration again, for SIGHUP. */
  readonly reload: () => LoadResult;
}

const DRAIN_GRACE = 10_000;
const SWEEP_EVERY = 60_000;
const WHAT_TO_DO =
  'What it printed on standard error says why. It needs Node.js 20 or 22 on a Linux with glibc (Debian, not Alpine) and packages that were installed there (npm ci)';

/** Runs until it is told to stop; resolves with the exit code. */
export async function serve(options: ServeOptions): Promise<number> {
  const log = createLog(options.config.log.level, 'primary');
  for (const warning of options.warnings) log.warn(warning);
  const primary = new Primary(options, log);
  try {
    await primary.open();
    return await primary.stopped;
  } catch (error) {
    primary.cannotStart(error instanceof AkproxError ? error.code : 'internal', explain(error));
    return 1;
  } finally {
    primary.cleanUp();
  }
}

class Primary {
  private readonly options: ServeOptions;
  private readonly log: Logger;
  readonly stopped: Promise<number>;
  private stop: (code: number) => void = () => {};
  private readonly members: Members;
  private slots: readonly Slot[] = [];
  private readonly liveness = new Liveness(() => performance.now());
  private readonly questions = new Questions();
  private readonly counts = new Counts();
  private admin: Admin | null = null;
  private readonly clock = createClock(Date.now, () => performance.now());
  /** For lines that a request can cause. */
  private readonly gated: GatedLog;
  private readonly unfinished: UnfinishedDeletions;
  private store: SessionStore | null = null;
  private managed: Managed | null = null;
  private config: Config;
  /** The last configuration from the disk that was taken. */
  private onDisk: OnDisk;
  private readonly rollout = new Rollout(systemTimers, {
    done: (generation, problems) => this.configured(generation, problems),
    late: (generation, workers) =>
      this.log.error(
        { generation, workers },
        'workers have not acknowledged the configuration; they may answer by the former one',
      ),
  });
  private whenInForce: (() => void)[] = [];
  private restarts = 0;
  private draining = false;
  private everReady = false;
  private listening = false;
  private tls: SelfSigned | null = null;

  constructor(options: ServeOptions, log: Logger) {
    this.options = options;
    this.log = log;
    this.config = options.config;
    this.onDisk = options;
    this.members = new Members(log);
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
    this.admin = await startAdmin(this.config.listen.metrics, {
      ready: () => this.readiness(),
      dead: () => (this.draining ? null : this.liveness.problem()),
      degraded: () => this.askAll('health'),
      report: () => this.report(),
      facts: () => this.metricFacts(),
      log: gated,
    });
    this.config = { ...this.config, listen: await choosePorts(this.config.listen) };
    // Opened here first: an unusable path is one clear error, not one per worker.
    this.store = await openStore(this.config.store, this.clock.now);
    this.tls = await openSelfSigned(this.config, log);
    if (this.tls === null) this.config = { ...this.config, listen: { ...this.config.listen, https: null } };

    // No standard input, none of the output that native code prints, and ours as a descriptor of its own (WORKER_LOG_FD).
    cluster.setupPrimary({ stdio: ['ignore', 'ignore', 'inherit', 'ipc', 1] });
    cluster.on('exit', (worker, code, signal) => this.onEnd(worker, { code, signal }));
    cluster.on('message', (worker, message: unknown) => this.hear(worker, message));
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
        sessionEnd: (sid) => this.members.tellOne({ type: 'session_end', sid }),
      });
    }

    const count = this.config.workers === 'auto' ? availableParallelism() : this.config.workers;
    log.info(
      { version: VERSION, workers: count, providers: this.config.providers.length, store: this.config.store.kind },
      'starting',
    );
    this.slots = Array.from({ length: count }, () => new Slot((slot) => this.fork(slot)));
    for (const slot of this.slots) slot.fill();
  }

  private fork(slot: Slot): void {
    try {
      const worker = cluster.fork({ UWS_HTTP_MAX_HEADERS_SIZE: String(this.config.max_header_bytes) });
      this.members.add(worker, slot);
      // A process that could not be made tells so here, and nothing else about it ever comes.
      worker.on('error', (error) => {
        if (worker.process.pid === undefined) this.onEnd(worker, { code: null, signal: null }, error);
        else this.log.warn({ worker: worker.id, err: error }, 'a worker could not be told');
      });
    } catch (error) {
      this.log.error({ err: error, restart_in_ms: slot.refill(false) }, 'a worker could not be started');
    }
  }

  /** Whatever a worker sends, however late: the primary goes on. */
  private hear(worker: Worker, message: unknown): void {
    try {
      this.onMessage(worker, message as ToPrimary);
    } catch (error) {
      this.gated.error({ worker: worker.id, err: error }, 'a message of a worker was not understood');
    }
  }

  private onMessage(worker: Worker, message: ToPrimary): void {
    switch (message.type) {
      case 'hello':
        this.setUp(worker);
        break;
      case 'ready':
        this.onReady(worker);
        break;
      case 'failed':
        this.onFailed(worker, message.code, message.message);
        break;
      case 'revoke':
        this.unfinished.add(message.revocation);
        this.members.broadcast({ type: 'revoked', revocation: message.revocation }, worker);
        break;
      case 'report':
        this.members.get(worker)?.counted.add(message.delta);
        this.questions.answered(worker.id, message);
        break;
      case 'health':
        this.questions.answered(worker.id, message);
        break;
      case 'misconfigured':
        this.managed?.misconfigured(message.event);
        break;
      case 'configured':
        this.rollout.acknowledged(worker.id, message.generation, message.problem);
        break;
      default:
        message satisfies never;
    }
  }

  private setUp(worker: Worker): void {
    const member = this.members.get(worker);
    if (member === undefined) return;
    member.setUp = true;
    this.tls?.restore();
    const { config } = this;
    const setup = { config, selfSigned: this.tls?.paths ?? null };
    this.members.tell(worker, { type: 'setup', setup });
    for (const revocation of this.unfinished.revocations()) this.members.tell(worker, { type: 'revoked', revocation });
  }

  private onReady(worker: Worker): void {
    const member = this.members.get(worker);
    if (member === undefined) return;
    member.ready = true;
    this.everReady = true;
    this.liveness.update(this.members.ready().length);
    this.log.info({ worker: worker.id, worker_pid: worker.process.pid }, 'worker ready');
    this.sayListening();
  }

  /** Once: when every worker is ready, but for those that are waited for. */
  private sayListening(): void {
    if (this.listening || !this.everReady || this.members.ready().length < this.members.size) return;
    this.listening = true;
    const { http, https, compat } = this.config.listen;
    this.log.info({ http, https, compat, metrics: this.admin?.address ?? null }, 'listening');
  }

  private onFailed(worker: Worker, code: string, message: string): void {
    const member = this.members.get(worker);
    if (member === undefined) return;
    member.failure = message;
    // At the start nothing will get better by itself; later it may, and the others go on.
    if (this.everReady || this.draining) worker.process.kill('SIGKILL');
    else this.giveUp(code, message);
  }

  private onEnd(worker: Worker, ending: Ending, error?: unknown): void {
    const member = this.members.get(worker);
    if (member === undefined) return;
    this.members.remove(worker);
    this.keepCounts(worker, member);
    this.questions.gone(worker.id);
    this.rollout.gone(worker.id);
    this.liveness.update(this.members.ready().length);
    if (this.draining) {
      if (this.members.size === 0) this.stop(0);
      return;
    }
    const { code, signal } = ending;
    if (!this.everReady && isHopeless(ending)) {
      this.giveUp(
        'worker_unusable',
        `a worker ended before it was ready (${signal ?? `exit code ${code}`}). ${WHAT_TO_DO}`,
      );
      return;
    }
    this.restarts += 1;
    const facts = {
      worker: worker.id,
      exit: code,
      signal,
      ready: this.members.ready().length,
      ...(error === undefined ? {} : { err: error }),
    };
    const wait = member.slot.refill(member.ready);
    if (member.ready) this.log.error({ ...facts, restart_in_ms: wait }, 'a worker died');
    else
      this.log.error(
        { ...facts, restart_in_ms: wait },
        `a worker died before it was ready${member.failure === null ? '' : `: ${member.failure}`}`,
      );
    this.sayListening();
  }

  private reload(): void {
    const result = this.options.reload();
    if (!result.ok) {
      for (const { path, message } of result.problems) this.log.error({ setting: path }, message);
      this.log.error('the configuration was not changed: the new one has problems');
      return;
    }
    const why = refusal(this.onDisk, result);
    if (why !== null) {
      this.log.error(`the configuration was not changed: ${why}`);
      return;
    }
    this.onDisk = result;
    for (const warning of result.warnings) this.log.warn(warning);
    const { config, ignored } = withoutRestart(result.config, this.config, this.options.config);
    for (const setting of ignored) this.log.warn({ setting }, 'this setting changes at a restart only');
    void this.configure(this.managed?.merge(config) ?? config);
  }

  /** Resolves when every worker has it, or what superseded it; one that is forked meanwhile begins with it. */
  private configure(next: Config): Promise<void> {
    this.config = next;
    this.log.level = next.log.level;
    this.tls?.restore();
    const told = this.members.setUp().map(({ worker }) => worker);
    const inForce = new Promise<void>((resolve) => this.whenInForce.push(resolve));
    const generation = this.rollout.begin(told.map(({ id }) => id));
    for (const worker of told) this.members.tell(worker, { type: 'configure', generation, config: next });
    return inForce;
  }

  private configured(generation: number, problems: readonly string[]): void {
    const facts = { generation, providers: this.config.providers.length };
    if (problems.length === 0) this.log.info(facts, 'the configuration was changed');
    else this.log.error({ ...facts, problems }, 'the configuration was changed, but not all of it');
    for (const tell of this.whenInForce.splice(0)) tell();
  }

  private drain(signal: string): void {
    if (this.draining) return;
    this.draining = true; // readiness goes red from here on
    this.managed?.stop();
    for (const slot of this.slots) slot.close();
    this.log.info({ signal }, 'draining');
    if (this.members.size === 0) this.stop(0);
    this.members.drain(DRAIN_GRACE);
    setTimeout(() => this.members.kill(), DRAIN_GRACE + 5_000).unref();
  }

  private giveUp(code: string, why: string): void {
    this.draining = true;
    this.cannotStart(code, why);
    this.members.kill();
    this.stop(1);
  }

  cannotStart(code: string, why: string): void {
    this.log.error({ code }, `akprox cannot start: ${why}`);
  }

  private sweep(): void {
    if (!this.clock.settled()) return;
    this.store?.sweep().catch((error: unknown) => this.log.warn({ err: error }, 'expired sessions could not be swept'));
  }

  private readiness(): { ready: boolean; reason: string } {
    if (this.draining) return { ready: false, reason: 'draining' };
    const unready = this.managed?.unready() ?? null;
    if (unready !== null) return { ready: false, reason: unready };
    return this.members.ready().length > 0
      ? { ready: true, reason: 'ok' }
      : { ready: false, reason: 'no worker is ready' };
  }

  private keepCounts(worker: Worker, { counted }: Member): void {
    try {
      this.counts.keep(counted.report(), this.config);
    } catch (error) {
      this.log.error({ worker: worker.id, err: error }, 'what a dead worker had counted is lost');
    }
  }

  /** What has been counted since the start. A worker that does not answer in time counts with its last report. */
  private async report(): Promise<WorkerReport> {
    await this.askAll('report');
    return this.counts.with(this.members.reports());
  }

  private metricFacts(): MetricFacts {
    const status = this.managed?.status() ?? null;
    return {
      workers: this.members.ready().length,
      workersWanted: this.slots.length,
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

  private askAll(question: 'report' | 'health'): Promise<readonly string[]> {
    const asked = this.members.ready().map(({ worker }) => worker.id);
    return this.questions.ask(asked, question, (id, message) => this.members.tellId(id, message));
  }

  cleanUp(): void {
    this.managed?.stop();
    this.admin?.close();
    this.tls?.remove();
    for (const slot of this.slots) slot.close();
    this.store?.close().catch((error: unknown) => this.log.warn(explain(error)));
    process.removeAllListeners('SIGHUP');
    cluster.removeAllListeners();
  }
}
