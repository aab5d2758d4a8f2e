// The primary: starts the workers, carries messages between them, swaps configurations and drains. It serves no check itself; it
// owns the metrics listener, which also guards against a second daemon.
import cluster, { type Worker } from 'node:cluster';
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { AuthentikEnv } from '../config/environment.js';
import { certificateFiles } from '../config/listener-certificates.js';
import type { Loaded, LoadResult } from '../config/load.js';
import type { Engine } from '../http/engine.js';
import { createClock } from '../infra/clock.js';
import { AkproxError, explain } from '../infra/errors.js';
import { growAsNeeded } from '../infra/heap.js';
import { createLog } from '../infra/log.js';
import { createGatedLog, type GatedLog } from '../infra/log-gate.js';
import { systemTimers } from '../infra/timers.js';
import { systemCpus } from '../infra/usable-cpus.js';
import { VERSION } from '../infra/version.js';
import { METRICS } from '../metrics/catalogue.js';
import { Totals } from '../metrics/totals.js';
import { type Admin, startAdmin } from './admin.js';
import { Control } from './control.js';
import { withoutIpv6 } from './every-address.js';
import { FileWatch } from './file-watch.js';
import { Generations, type Started } from './generations.js';
import { inherited } from './handover.js';
import { LazyStore } from './lazy-store.js';
import type { Managed } from './managed.js';
import type { Pem, ToPrimary } from './messages.js';
import { choosePorts, TRIES } from './ports.js';
import { Questions } from './questions.js';
import { type Reloaded, RunningConfig } from './running-config.js';
import { ServedEngine } from './served-engine.js';
import { createStatus } from './status.js';
import { Supervisor } from './supervisor.js';
import { UnfinishedDeletions } from './unfinished-deletions.js';
import { claimSockets, type UnixSockets } from './unix-sockets.js';
import type { WorkerState, Workers } from './workers.js';

export interface ServeOptions
  extends Started,
    Pick<Loaded, 'config' | 'path' | 'warnings' | 'settings' | 'authentik' | 'files'> {
  /** For names without a certificate of their own; null when HTTPS is off. */
  readonly selfSigned: Pem | null;
  /** Reads the configuration again, for SIGHUP. */
  readonly reload: () => Promise<LoadResult>;
}

const DRAIN_GRACE = 10_000;
/** Once a successor serves: uWebSockets.js takes up to 12 s to close a connection that is idle. */
const LEAVING = { idle: 13_000, grace: 15_000 };
const SWEEP_EVERY = 60_000;

/** Runs until it is told to stop; resolves with the exit code. */
export async function serve(options: ServeOptions): Promise<number> {
  const log = createLog(options.config.log.level, 'primary');
  for (const warning of options.warnings) log.warn(warning);
  const primary = new Primary(options, log);
  try {
    await primary.open();
    return await primary.stopped;
  } catch (error) {
    await primary.cannotStart(error instanceof AkproxError ? error.code : 'internal', explain(error));
    return 1;
  } finally {
    primary.cleanUp();
  }
}

class Primary {
  readonly stopped: Promise<number>;
  private stop: (code: number) => void = () => {};
  private readonly options: ServeOptions;
  private readonly log: Logger;
  /** For lines that a request can cause. */
  private readonly gated: GatedLog;
  private readonly clock = createClock(Date.now, () => performance.now());
  private readonly supervisor: Supervisor;
  private readonly workers: Workers;
  private readonly config: RunningConfig;
  private readonly questions: Questions;
  private readonly totals: Totals;
  private readonly unfinished: UnfinishedDeletions;
  private admin: Admin | null = null;
  private readonly store: LazyStore;
  private managed: Managed | null = null;
  private sockets: UnixSockets | null = null;
  private readonly certificates: FileWatch;
  /** Secrets, and what else the configuration is read from besides its own file. */
  private readonly secrets: FileWatch;
  private readonly engine: ServedEngine;
  private readonly generations: Generations;
  private readonly control: Control;
  private exitCode = 0;

  constructor(options: ServeOptions, log: Logger) {
    this.options = options;
    this.log = log;
    this.engine = new ServedEngine(log);
    this.gated = createGatedLog(log, this.clock.monotonic);
    this.stopped = new Promise((resolve) => {
      this.stop = resolve;
    });
    this.supervisor = new Supervisor({
      log,
      monotonic: this.clock.monotonic,
      onListening: () => this.serve(),
      onEnded: (state) => this.workerEnded(state),
      onHopeless: (code, why) => this.giveUp(code, why),
      onDrained: () => this.stop(this.exitCode),
    });
    this.workers = this.supervisor.workers;
    this.totals = new Totals(METRICS, options.config.providers);
    this.questions = new Questions(this.workers, systemTimers);
    this.config = new RunningConfig({
      started: options,
      load: options.reload,
      taken: ({ files }) => this.secrets.update(files),
      merge: (config) => this.managed?.merge(config) ?? config,
      workers: this.workers,
      beforeApply: (next) => {
        this.certificates.update(certificateFiles(next));
        this.totals.update(next.providers);
      },
      timers: systemTimers,
      log,
    });
    this.certificates = new FileWatch({ timers: systemTimers, changed: () => this.renewCertificates() });
    this.secrets = new FileWatch({ timers: systemTimers, changed: () => this.renewSecrets() });
    this.store = new LazyStore(options.config.store, this.clock.now);
    this.unfinished = new UnfinishedDeletions({
      store: () => this.store.open(),
      now: this.clock.now,
      after: systemTimers.after,
      log: this.gated,
    });
    const { supervisor, config, unfinished } = this;
    this.control = new Control({
      ...{ supervisor, config, timers: systemTimers, log: this.gated },
      questions: this.questions,
      reload: () => this.reload(),
      engine: () => this.engine.current,
      metrics: () => this.admin?.address ?? null,
      totals: this.totals,
      unready: () => (supervisor.stopping ? 'draining' : (this.managed?.unready() ?? null)),
    });
    this.generations = new Generations({
      started: options,
      ...{ supervisor, config, unfinished, log, timers: systemTimers },
      unready: () => this.managed?.unready() ?? null,
      where: () => ({
        metrics: this.admin?.address ?? null,
        sockets: this.sockets?.files.map(({ path }) => path) ?? [],
      }),
      leave: () => this.leave(),
    });
  }

  async open(): Promise<void> {
    const { log, supervisor, generations } = this;
    const { config } = this.options;
    const wanted = await withoutIpv6(config.listen);
    await generations.begin(wanted);
    const { handover } = generations;
    // First: who has its port is the one daemon of this host. The predecessor's is opened when this daemon serves.
    if (inherited('metrics', wanted, handover) === undefined) await this.openAdmin(wanted.metrics);
    const listen = await choosePorts(wanted, TRIES, handover);
    const count = config.workers === 'auto' ? systemCpus() : config.workers;
    this.sockets = await claimSockets(listen, count, TRIES, handover);
    this.config.current = { ...config, listen };
    this.certificates.update(certificateFiles(this.config.current));
    this.secrets.update(this.options.files);

    cluster.on('message', (worker, message: unknown) => this.receive(worker, message));
    process.on('SIGUSR2', () => generations.succeed());
    process.on('SIGTERM', () => this.drain('SIGTERM'));
    process.on('SIGINT', () => this.drain('SIGINT'));
    process.on('SIGHUP', () => void this.reload());
    // Asks authentik anew where there is one (managed.ts). With no listener at all Node.js would open its inspector, through
    // which anybody on this host could run code in here.
    process.on('SIGUSR1', () => {});
    setInterval(() => this.workers.sendToOne({ type: 'sweep' }), SWEEP_EVERY).unref();

    if (this.options.authentik !== null) this.managed = await this.manage(this.options.authentik);

    log.info(
      { version: VERSION, workers: count, providers: config.providers.length, store: config.store.kind },
      'starting',
    );
    supervisor.start(count, this.options.main, { UWS_HTTP_MAX_HEADERS_SIZE: String(config.max_header_bytes) });
  }

  private async openAdmin(address: string | null, descriptor?: number): Promise<void> {
    const { supervisor, questions, totals, gated } = this;
    const now = { config: this.config, managed: () => this.managed, engine: () => this.engine.current };
    const status = createStatus({ supervisor, questions, totals, ...now });
    this.admin = await startAdmin(address, { ...status, log: gated }, descriptor);
  }

  private async reload(): Promise<Reloaded> {
    const reloaded = await this.config.reload();
    this.generations.reload();
    return reloaded;
  }

  private async manage(env: AuthentikEnv): Promise<Managed> {
    const { startManaged } = await import('./managed.js');
    return startManaged({
      env,
      config: this.config.current,
      log: this.log,
      apply: async (config) => {
        const applied = this.config.apply(config);
        this.generations.changed();
        await applied;
      },
      sessionEnd: (sid) => this.workers.sendToOne({ type: 'session_end', sid }) !== null,
    });
  }

  /** Whatever a worker sends, however late: the primary goes on. */
  private receive(worker: Worker, message: unknown): void {
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
      case 'prepared':
        this.generations.prepared(worker.id);
        break;
      case 'ready':
        this.ready(worker, message.engine);
        break;
      case 'failed':
        this.supervisor.failed(worker, message.code, message.message);
        break;
      case 'revoke':
        this.unfinished.add(message.revocation);
        this.workers.broadcast({ type: 'revoked', revocation: message.revocation }, worker);
        this.generations.revoked(message.revocation);
        break;
      case 'counted':
        this.totals.add(worker.id, message.counts);
        break;
      case 'report':
      case 'health':
        this.questions.answered(worker.id, message);
        break;
      case 'operated':
        this.control.answered(message);
        break;
      case 'misconfigured':
        this.managed?.misconfigured(message.event);
        break;
      case 'configured':
        this.config.acknowledged(worker.id, message.generation, message.problem);
        break;
      default:
        message satisfies never;
    }
  }

  /** The workers read them anew with the configuration that they have. */
  private renewSecrets(): void {
    this.log.info('a file that the configuration refers to has changed');
    void this.config.reload();
  }

  private renewCertificates(): void {
    this.log.info('the file of a certificate has changed');
    void this.config.apply(this.config.current);
  }

  private setUp(worker: Worker): void {
    const state = this.workers.get(worker);
    if (state === undefined) return;
    state.setUp = true;
    this.totals.joined(worker.id);
    const socket = this.sockets?.files[state.slot.place] ?? null;
    const { selfSigned } = this.options;
    const setup = { config: this.config.current, selfSigned, socket, ...this.generations.setup() };
    this.workers.send(worker, { type: 'setup', setup });
    for (const revocation of this.unfinished.revocations()) this.workers.send(worker, { type: 'revoked', revocation });
  }

  private ready(worker: Worker, engine: Engine): void {
    const problem = this.sockets?.made(this.workers.get(worker)?.slot.place ?? -1) ?? null;
    if (problem !== null) this.supervisor.failed(worker, 'listen_failed', problem);
    else {
      this.engine.learn(engine, this.config.current.listen.http !== null);
      this.supervisor.ready(worker);
    }
  }

  private workerEnded({ worker }: WorkerState): void {
    this.totals.left(worker.id);
    this.questions.gone(worker.id);
    this.control.gone(worker);
    this.config.gone(worker.id);
    this.generations.gone(worker.id);
  }

  /** Every worker listens. */
  private async serve(): Promise<void> {
    try {
      const { generations, options, supervisor } = this;
      const { handover } = generations;
      if (this.admin === null) await this.openAdmin(handover?.bound.metrics ?? null, handover?.descriptors.metrics);
      if (handover === null) await this.control.open(options, false);
      await generations.announce();
      // Told to stop meanwhile: whoever served before goes on.
      if (supervisor.stopping) return;
      this.sockets?.publish();
      await generations.serve();
      if (handover !== null) await this.control.open(options, true);
      // From now on it can have a successor.
      this.logListening();
    } catch (error) {
      this.giveUp('internal', explain(error));
    }
  }

  /** The successor serves. */
  private leave(): void {
    if (this.supervisor.stopping) return;
    this.log.info('the successor serves; draining');
    this.admin?.leave();
    this.managed?.stop();
    this.supervisor.drain(LEAVING.grace, LEAVING.idle);
  }

  private logListening(): void {
    growAsNeeded();
    const { http, https, compat } = this.config.current.listen;
    const sockets = this.sockets?.files.map(({ path }) => path);
    const facts = {
      http,
      https,
      compat,
      metrics: this.admin?.address ?? null,
      engine: this.engine.current,
      ...(sockets && { sockets }),
    };
    this.log.info(facts, 'listening');
  }

  private drain(signal: string): void {
    if (this.supervisor.stopping) return;
    this.log.info({ signal }, 'draining');
    this.generations.stop();
    this.managed?.stop();
    this.supervisor.drain(DRAIN_GRACE);
  }

  private giveUp(code: string, why: string): void {
    this.exitCode = 1;
    const told = this.cannotStart(code, why);
    if (this.generations.hasBegun) {
      // Workers may have been asked something already.
      this.supervisor.drain(DRAIN_GRACE, LEAVING.idle);
      return;
    }
    this.supervisor.kill();
    void told.then(() => this.stop(1));
  }

  cannotStart(code: string, why: string): Promise<void> {
    this.log.error({ code }, `akprox cannot start: ${why}`);
    return this.generations.failed(why);
  }

  cleanUp(): void {
    this.managed?.stop();
    this.admin?.close();
    this.control.close();
    this.generations.close();
    this.certificates.close();
    this.secrets.close();
    this.sockets?.remove();
    this.supervisor.close();
    this.store.close().catch((error: unknown) => this.log.warn(explain(error)));
    process.removeAllListeners('SIGHUP');
    cluster.removeAllListeners();
  }
}
