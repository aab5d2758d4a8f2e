// Providers from authentik, kept up to date: asks core at start, on every trigger and every few minutes; a fetch that fails
// changes nothing. Runs in the primary, once, and hands complete sets of providers on.
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { AuthentikEnv } from '../config/environment.js';
import type { ProviderConfig } from '../config/schema.js';
import { createBackoff } from '../infra/backoff.js';
import { explain } from '../infra/errors.js';
import { fromPythonLevel, LOG_LEVELS, type LogLevel } from '../infra/log-level.js';
import type { OutgoingProxies } from '../infra/outgoing-proxy.js';
import { systemTimers, type Timers } from '../infra/timers.js';
import { isRecord, textOf } from '../infra/untyped.js';
import { VERSION } from '../infra/version.js';
import { type CoreApi, createCoreApi } from './api.js';
import { type CertificateFiles, createCertificateFiles } from './certificate-files.js';
import { createEventReporter, type EventReporter, type Misconfiguration } from './events.js';
import { type LastKnownGood, openLastKnownGood } from './last-known-good.js';
import { Notices } from './notices.js';
import { fetchSnapshot, type OutpostSnapshot } from './outpost-snapshot.js';
import { type CoreSocket, type CoreSocketOptions, connectCore, type SourceLog } from './socket.js';
import { type Translation, translateProviders } from './translate.js';

/** What core says about the outpost itself. */
export interface OutpostFacts {
  readonly pk: string;
  readonly name: string;
  /** Null when core names none that we know. */
  readonly logLevel: LogLevel | null;
}

export interface AuthentikStatus {
  /** Null until core, or the disk, has told. */
  readonly outpost: OutpostFacts | null;
  readonly instanceId: string;
  readonly connected: boolean;
  /** Unix milliseconds of the last successful fetch; null before it. */
  readonly lastUpdate: number | null;
  /** Why the last fetch failed; null when it did not. */
  readonly problem: string | null;
}

export interface AuthentikSourceOptions {
  readonly env: AuthentikEnv;
  /** A subdirectory `authentik` of it keeps the last known providers. */
  readonly dataDir: string;
  readonly proxies?: OutgoingProxies | undefined;
  /** UUID of this process. */
  readonly instanceId: string;
  readonly now: () => number;
  /** Milliseconds, for what is limited in time. */
  readonly monotonic: () => number;
  /** 0 to 1. */
  readonly random: () => number;
  readonly log: SourceLog;
  /** Called with every set that differs from the last one; resolves when every worker has it. Never rejects. */
  apply(providers: ProviderConfig[], facts: OutpostFacts): Promise<void>;
  /** Every session with this `sid` is over. */
  sessionEnd(sid: string): void;
  readonly timers?: Timers;
  readonly api?: CoreApi;
  readonly connect?: (options: CoreSocketOptions) => CoreSocket;
  readonly lastKnownGood?: LastKnownGood;
  readonly certificateFiles?: CertificateFiles;
}

const DEFAULT_INTERVAL = 300;
const SHORTEST_INTERVAL = 30;
/** A day: whatever core says, a forgotten outpost looks in once in a while. */
const LONGEST_INTERVAL = 86_400;
const RETRIES = { first: 3_000, longest: 30_000 };
/**
 * After a trigger the replicas ask core at slightly different times. Upstream spreads them over nine seconds; we have one
 * client for a whole machine, and an operator who saves a provider should not have to wait for it.
 */
const TRIGGER_SPREAD = 1_000;
const TOO_FAR_AHEAD = 2_147_483_647;

export function startAuthentikSource(options: AuthentikSourceOptions): AuthentikSource {
  const source = new AuthentikSource(options);
  source.begin().catch((error: unknown) => options.log.error({ err: error }, 'an unexpected error'));
  return source;
}

export class AuthentikSource {
  private readonly options: AuthentikSourceOptions;
  private readonly timers: Timers;
  private readonly api: CoreApi;
  private readonly disk: LastKnownGood;
  private readonly files: CertificateFiles;
  private readonly notices: Notices;
  private readonly events: EventReporter;
  private readonly retries = createBackoff(RETRIES);
  private stopped = false;
  private snapshot: OutpostSnapshot | null = null;
  /** What was applied last, for comparison. */
  private applied = '';
  private outpost: OutpostFacts | null = null;
  private lastUpdate: number | null = null;
  private problem: string | null = null;
  private socket: { readonly pk: string; readonly connection: CoreSocket } | null = null;
  private running: Promise<boolean> | null = null;
  private queued: Promise<boolean> | null = null;
  private cancelNext = (): void => {};
  private cancelTrigger: (() => void) | null = null;

  constructor(options: AuthentikSourceOptions) {
    const { env, log, monotonic } = options;
    this.options = options;
    this.timers = options.timers ?? systemTimers;
    this.api = options.api ?? createCoreApi({ ...env, proxies: options.proxies });
    this.disk = options.lastKnownGood ?? openLastKnownGood(join(options.dataDir, 'authentik'), env);
    this.files = options.certificateFiles ?? createCertificateFiles();
    this.notices = new Notices(log);
    this.events = createEventReporter({ api: this.api, outpostName: () => this.outpost?.name ?? '', monotonic, log });
  }

  async begin(): Promise<void> {
    const known = await this.disk.read().catch(() => null);
    if (known !== null && !this.stopped) {
      this.snapshot = known;
      this.apply(known, 'the last known providers of authentik are served until it answers');
    }
    await this.refresh();
    if (!this.stopped) void this.logSentry();
  }

  stop(): void {
    this.stopped = true;
    this.cancelNext();
    this.cancelTrigger?.();
    this.socket?.connection.close();
    this.files.remove();
  }

  /**
   * True when core answered and its answer was handed on. Never rejects. Callers during a fetch share the next one: what they
   * were told of may have come too late for this one.
   */
  refresh(): Promise<boolean> {
    if (this.running === null) {
      this.running = this.update().finally(() => {
        this.running = null;
      });
      return this.running;
    }
    this.queued ??= this.running.then(() => {
      this.queued = null;
      return this.stopped ? false : this.refresh();
    });
    return this.queued;
  }

  status(): AuthentikStatus {
    return {
      outpost: this.outpost,
      instanceId: this.options.instanceId,
      connected: this.socket?.connection.connected ?? false,
      lastUpdate: this.lastUpdate,
      problem: this.problem,
    };
  }

  /** Reports a misconfiguration to core, within limits. */
  misconfigured(event: Misconfiguration): void {
    this.events.report(event);
  }

  private async update(): Promise<boolean> {
    if (this.stopped) return false;
    this.cancelNext();
    try {
      const fetched = await fetchSnapshot(this.api, this.snapshot, this.notices);
      if (this.stopped) return false;
      const former = this.snapshot;
      this.snapshot = fetched;
      this.lastUpdate = this.options.now();
      if (this.problem !== null) this.options.log.info({}, 'authentik answers again');
      this.problem = null;
      this.retries.reset();
      this.apply(fetched, 'the providers from authentik are in force');
      if (JSON.stringify(former) !== JSON.stringify(fetched)) await this.saveLastKnown(fetched);
      if (this.stopped) return false;
      this.connect(fetched.instance.pk);
      this.schedule(pollInterval(fetched.instance.refreshInterval));
      return true;
    } catch (error) {
      if (!this.stopped) this.retryLater(error);
      return false;
    }
  }

  private retryLater(error: unknown): void {
    this.problem = explain(error);
    const wait = this.retries.next();
    const consequence = this.outpost === null ? 'no provider is known yet' : 'what was known stays in force';
    this.options.log.error(
      { reason: this.problem, retry_in_ms: wait },
      `the providers could not be read from authentik; ${consequence}`,
    );
    this.schedule(wait);
  }

  private schedule(ms: number): void {
    this.cancelNext = this.timers.after(Math.min(ms, TOO_FAR_AHEAD), () => void this.refresh());
  }

  /** `text`: for the log, when anything has changed and every worker has it. */
  private apply({ instance, results, certificates }: OutpostSnapshot, text: string): void {
    const { env, log } = this.options;
    const translation = translateProviders({ results, instance, env, certificates: this.writeFiles(certificates) });
    const { providers } = translation;
    const outpost = { pk: instance.pk, name: instance.name, logLevel: logLevelOf(instance.config['log_level']) };
    this.outpost = outpost;
    this.logProblems(translation);
    const print = JSON.stringify([providers, outpost]);
    if (print === this.applied) return;
    this.applied = print;
    const facts = { outpost: outpost.name, providers: providers.map((provider) => provider.name) };
    void this.options.apply(providers, outpost).then(() => log.info(facts, text));
  }

  private writeFiles(pairs: OutpostSnapshot['certificates']): Map<string, { cert: string; key: string }> {
    const certificates = new Map<string, { cert: string; key: string }>();
    for (const [uuid, pair] of Object.entries(pairs)) {
      const written = this.files.write(uuid, pair);
      if ('problem' in written)
        this.notices.warnOnce(uuid, `the certificate ${uuid} cannot be used: ${written.problem}`);
      else certificates.set(uuid, written);
    }
    return certificates;
  }

  private logProblems({ providers, skipped, warnings }: Translation): void {
    this.notices.warnAll([
      ...skipped.map(({ name, reason }) => `the provider ${JSON.stringify(name)} is skipped: ${reason}`),
      ...warnings,
      ...(providers.length === 0 ? ['authentik has no forward-auth provider for this outpost'] : []),
    ]);
  }

  private async saveLastKnown(fetched: OutpostSnapshot): Promise<void> {
    try {
      await this.disk.write(fetched);
    } catch (error) {
      this.notices.warnOnce('disk', `the providers cannot be kept for a start without authentik: ${explain(error)}`);
    }
  }

  private connect(pk: string): void {
    if (this.socket?.pk === pk) return;
    this.socket?.connection.close();
    const { env, instanceId, random, monotonic, log } = this.options;
    const connection = (this.options.connect ?? connectCore)({
      host: env.host,
      token: env.token,
      insecure: env.insecure,
      proxies: this.options.proxies,
      outpostPk: pk,
      instanceId,
      hello: { version: VERSION, buildHash: '', uuid: instanceId, hostname: hostname() },
      timers: this.timers,
      random,
      monotonic,
      log,
      onTrigger: () => this.trigger(),
      onSessionEnd: (sid) => this.options.sessionEnd(sid),
      onConnected: (again) => {
        if (again) this.trigger();
      },
    });
    this.socket = { pk, connection };
  }

  /** Triggers that come in while one is waiting are the same news. */
  private trigger(): void {
    if (this.stopped || this.cancelTrigger !== null) return;
    this.cancelTrigger = this.timers.after(this.options.random() * TRIGGER_SPREAD, () => {
      this.cancelTrigger = null;
      void this.refresh();
    });
  }

  private async logSentry(): Promise<void> {
    const root = await this.api.rootConfig().catch(() => ({}) as Readonly<Record<string, unknown>>);
    const reporting = root['error_reporting'];
    if (isRecord(reporting) && reporting['enabled'] === true)
      this.options.log.info({}, 'authentik asks for error reports to Sentry; akprox sends none');
  }
}

function pollInterval(seconds: number | null): number {
  if (seconds === null || seconds <= 0) return DEFAULT_INTERVAL * 1_000;
  return Math.min(Math.max(seconds, SHORTEST_INTERVAL), LONGEST_INTERVAL) * 1_000;
}

function logLevelOf(value: unknown): LogLevel | null {
  const level = fromPythonLevel(textOf(value));
  return LOG_LEVELS.find((known) => known === level) ?? null;
}
