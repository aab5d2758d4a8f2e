// One daemon after another (SIGUSR2): what this one has from its predecessor, when it takes over, and what it hands to its successor.
// While two of them serve, a session that ends in one ends in the other.
import { closeSync, readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Loaded } from '../config/load.js';
import type { Config } from '../config/schema.js';
import { AkproxError } from '../infra/errors.js';
import type { Timers } from '../infra/timers.js';
import type { Revocation } from '../session/revocation.js';
import { addressesOf, type Descriptors, type Handover, inherited, LISTENERS } from './handover.js';
import { InheritedSockets } from './inherited-sockets.js';
import { ListeningHandles } from './listening-handles.js';
import type { Predecessor } from './predecessor.js';
import { type OnDisk, refusal } from './reload.js';
import { irreplaceable, type Origin } from './replaceable.js';
import type { RunningConfig } from './running-config.js';
import { tellSystemd, whatIsReady } from './service-manager.js';
import { type Program, Succession } from './succession.js';
import type { Supervisor } from './supervisor.js';
import { Takeover } from './takeover.js';
import type { UnfinishedDeletions } from './unfinished-deletions.js';

/** How this process was started. */
export interface Started {
  /** The daemon that started this one to be replaced by it. */
  readonly predecessor: Predecessor | null;
  /** The file that this process runs, and its workers. */
  readonly main: string;
  /** What SIGUSR2 starts. */
  readonly program: Program;
  readonly origin: Omit<Origin, 'init'>;
}

export interface GenerationsOptions {
  readonly started: Started & OnDisk & Pick<Loaded, 'path'>;
  readonly timers: Timers;
  readonly log: Logger;
  readonly supervisor: Supervisor;
  readonly config: RunningConfig;
  readonly unfinished: UnfinishedDeletions;
  /** Why nothing can be served yet; null when something can. */
  readonly unready: () => string | null;
  /** The address of the metrics listener, and the paths of unix sockets. */
  readonly where: () => { readonly metrics: string | null; readonly sockets: readonly string[] };
  /** The successor serves, and nothing more is accepted here. */
  readonly leave: () => void;
}

export class Generations {
  /** What the predecessor has handed over. */
  handover: Handover | null = null;
  private readonly options: GenerationsOptions;
  private readonly takeover: Takeover | null;
  private readonly succession: Succession;
  private configured: Handover['configured'] | null = null;
  private sockets: InheritedSockets | null = null;
  /** Since before anybody listens. */
  private readonly listening = new ListeningHandles();
  private isServing = false;

  constructor(options: GenerationsOptions) {
    this.options = options;
    const { started, supervisor, unready, timers, log } = options;
    const { workers } = supervisor;
    const listen = (): void => workers.broadcast({ type: 'listen' });
    this.takeover =
      started.predecessor === null ? null : new Takeover({ wanted: () => supervisor.wanted, unready, listen });
    this.succession = new Succession({
      program: started.program,
      refused: () => this.refused(),
      handover: () => this.handOver(),
      onServing: () => this.leave(),
      onRevoked: (revocation) => this.wasRevoked(revocation),
      timers,
      log,
    });
  }

  /** `listen`: where this daemon shall listen. Resolves when it is known what of that it has already. */
  async begin(listen: Config['listen']): Promise<void> {
    const { started, config, log } = this.options;
    const { predecessor, origin } = started;
    this.configured = addressesOf(listen);
    if (predecessor === null) return;
    this.handover = await predecessor.handover;
    const why = refusal(this.handover.extent, started);
    if (why !== null) throw new AkproxError('config_invalid', `the configuration: ${why}`);
    this.sockets = new InheritedSockets({
      http: inherited('http', listen, this.handover),
      https: inherited('https', listen, this.handover),
      compat: inherited('compat', listen, this.handover),
    });
    closeUnused(listen, this.handover);
    for (const revocation of this.handover.revocations) this.options.unfinished.add(revocation);
    predecessor.hear({
      revoked: (revocation) => this.wasRevoked(revocation),
      reload: () => void config.reload(),
      gone: () => log.info('the former daemon has ended'),
    });
    // Rather now than when everything else is done.
    if (origin.notifies) await tellSystemd('STATUS=A successor is starting');
  }

  /** For a worker that begins. */
  setup(): { readonly descriptors: Descriptors; readonly waits: boolean } {
    return { descriptors: this.sockets?.offered() ?? {}, waits: this.takeover?.hasBegun === false };
  }

  prepared(worker: number): void {
    this.takeover?.add(worker);
  }

  gone(worker: number): void {
    this.takeover?.gone(worker);
    this.sockets?.gone(worker);
  }

  /** The configuration has changed: providers may have come. */
  changed(): void {
    this.takeover?.check();
  }

  /** Every worker listens. Rejects when this daemon cannot take over. */
  async announce(): Promise<void> {
    const { started, log } = this.options;
    const { predecessor, origin } = started;
    const told = origin.notifies ? tellSystemd(...whatIsReady(process.pid)) : Promise.resolve();
    await told.catch((error: unknown) => {
      if (predecessor !== null) throw error;
      log.warn({ err: error }, 'systemd was not told that this daemon is ready');
    });
  }

  /** Everybody is answered here: the predecessor can go. */
  async serve(): Promise<void> {
    this.isServing = true;
    await this.options.started.predecessor?.tell({ type: 'serving' });
  }

  /** Whether workers may have been asked already. */
  get hasBegun(): boolean {
    return this.takeover?.hasBegun === true;
  }

  /** SIGUSR2. */
  succeed(): void {
    this.succession.begin();
  }

  /** A session was ended in here. */
  revoked(revocation: Revocation): void {
    this.succession.revoked(revocation);
    void this.options.started.predecessor?.tell({ type: 'revoked', revocation });
  }

  /** SIGHUP, and this daemon has done it. */
  reload(): void {
    this.succession.reload();
  }

  /** SIGTERM. */
  stop(): void {
    this.succession.abandon();
  }

  /** This daemon cannot start. */
  async failed(why: string): Promise<void> {
    await this.options.started.predecessor?.tell({ type: 'failed', message: why });
  }

  close(): void {
    this.listening.close();
    this.sockets?.close();
    this.succession.release();
    this.options.started.predecessor?.close();
  }

  private refused(): string | null {
    if (this.options.supervisor.stopping) return 'this daemon is draining';
    if (!this.isServing) return 'this daemon has not started yet';
    return irreplaceable({ ...this.options.started.origin, init: nameOfInit() });
  }

  /** The successor serves. */
  private leave(): void {
    const { http, https, compat } = this.options.config.current.listen;
    this.listening.leave([http, https, compat]);
    this.options.leave();
  }

  /** In the other daemon. */
  private wasRevoked(revocation: Revocation): void {
    this.options.unfinished.add(revocation);
    this.options.supervisor.workers.broadcast({ type: 'revoked', revocation });
  }

  private handOver(): Handover | null {
    const { configured } = this;
    const { config, unfinished, where } = this.options;
    const { metrics, sockets } = where();
    const bound = addressesOf({ ...config.current.listen, metrics });
    const descriptors = this.listening.descriptors(bound);
    const missing = (['https', 'compat', 'metrics'] as const).some(
      (name) => bound[name] !== null && descriptors[name] === undefined,
    );
    if (configured === null || missing) return null;
    const revocations = unfinished.revocations();
    return { configured, bound, descriptors, sockets, extent: config.extent(), revocations };
  }
}

/** On which nobody would ever accept, and which nobody else could have: they are of listeners that are no more. */
function closeUnused(listen: Config['listen'], handover: Handover): void {
  for (const name of LISTENERS) {
    const descriptor = handover.descriptors[name];
    if (descriptor !== undefined && inherited(name, listen, handover) === undefined) closeSync(descriptor);
  }
}

/** '' where nobody knows. */
function nameOfInit(): string {
  try {
    return readFileSync('/proc/1/comm', 'utf8').trim();
  } catch {
    return '';
  }
}
