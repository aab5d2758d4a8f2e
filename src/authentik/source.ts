// Providers from authentik, kept up to date: asks core at start, on every trigger and every few minutes; a fetch that fails
// changes nothing. Runs in the primary, once, and hands complete sets of providers on.
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { AuthentikEnv } from '../config/environment.js';
import type { ProviderConfig } from '../config/schema.js';
import { createBackoff } from '../infra/backoff.js';
import { explain } from '../infra/errors.js';
import { fromPythonLevel, LOG_LEVELS, type LogLevel } from '../infra/log-level.js';
import { systemTimers, type Timers } from '../infra/timers.js';
import { textOf } from '../infra/untyped.js';
import { VERSION } from '../infra/version.js';
import { type CertificatePair, type CoreApi, createCoreApi } from './api.js';
import { type CertificateFiles, createCertificateFiles } from './certificate-files.js';
import { createEventReporter, type Misconfiguration } from './events.js';
import { type LastKnownGood, openLastKnownGood, type Snapshot } from './last-known-good.js';
import { type CoreSocket, type CoreSocketOptions, connectCore, type SourceLog } from './socket.js';
import { certificatesOf, type Translation, translateProviders } from './translate.js';

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

export interface AuthentikSource {
  stop(): void;
  /** True when core answered and its answer was handed on. Never rejects. */
  refresh(): Promise<boolean>;
  status(): AuthentikStatus;
  /** Reports a misconfiguration to core, within limits. */
  misconfigured(event: Misconfiguration): void;
}

const DEFAULT_INTERVAL = 300;
const SHORTEST_INTERVAL = 30;
/** A day: whatever core says, a forgotten outpost looks in once in a while. */
const LONGEST_INTERVAL = 86_400;
const FIRST_RETRY = 3_000;
const LONGEST_RETRY = 30_000;
/**
 * After a trigger the replicas ask core at slightly different times. Upstream spreads them over nine seconds; we have one
 * client for a whole machine, and an operator who saves a provider should not have to wait for it.
 */
const TRIGGER_SPREAD = 1_000;
const TOO_FAR_AHEAD = 2_147_483_647;

export function startAuthentikSource(options: AuthentikSourceOptions): AuthentikSource {
  const { env, log, now, monotonic } = options;
  const timers = options.timers ?? systemTimers;
  const api = options.api ?? createCoreApi(env);
  const disk = options.lastKnownGood ?? openLastKnownGood(join(options.dataDir, 'authentik'), env);
  const files = options.certificateFiles ?? createCertificateFiles();
  /** What has been said, by what it is about: nothing is repeated with every poll. */
  const said = new Map<string, string>();

  let stopped = false;
  let snapshot: Snapshot | null = null;
  let applied = '';
  let outpost: OutpostFacts | null = null;
  let lastUpdate: number | null = null;
  let problem: string | null = null;
  const retries = createBackoff({ first: FIRST_RETRY, longest: LONGEST_RETRY });
  let socket: { readonly pk: string; readonly connection: CoreSocket } | null = null;
  let running: Promise<boolean> | null = null;
  let queued: Promise<boolean> | null = null;
  let cancelNext = (): void => {};
  let cancelTrigger: (() => void) | null = null;

  async function begin(): Promise<void> {
    const known = await disk.read().catch(() => null);
    if (known !== null && !stopped) {
      snapshot = known;
      use(known, 'the last known providers of authentik are served until it answers');
    }
    await refresh();
    if (!stopped) void adviseOnce();
  }

  /** Callers during a fetch share the next one: what they heard of may have come too late for this one. */
  function refresh(): Promise<boolean> {
    if (running === null) {
      running = update().finally(() => {
        running = null;
      });
      return running;
    }
    queued ??= running.then(() => {
      queued = null;
      return stopped ? false : refresh();
    });
    return queued;
  }

  async function update(): Promise<boolean> {
    if (stopped) return false;
    cancelNext();
    try {
      const fetched = await fetchAll();
      if (stopped) return false;
      const former = snapshot;
      snapshot = fetched;
      lastUpdate = now();
      if (problem !== null) log.info({}, 'authentik answers again');
      problem = null;
      retries.reset();
      use(fetched, 'the providers from authentik are in force');
      if (JSON.stringify(former) !== JSON.stringify(fetched)) await keep(fetched);
      if (stopped) return false;
      connect(fetched.instance.pk);
      next(pollInterval(fetched.instance.refreshInterval));
      return true;
    } catch (error) {
      if (stopped) return false;
      problem = explain(error);
      const wait = retries.next();
      const consequence = outpost === null ? 'no provider is known yet' : 'what was known stays in force';
      log.error(
        { reason: problem, retry_in_ms: wait },
        `the providers could not be read from authentik; ${consequence}`,
      );
      next(wait);
      return false;
    }
  }

  function next(ms: number): void {
    cancelNext = timers.after(Math.min(ms, TOO_FAR_AHEAD), () => void refresh());
  }

  async function fetchAll(): Promise<Snapshot> {
    const instance = await api.instance();
    const results = await api.proxyProviders();
    const certificates: Record<string, CertificatePair> = {};
    for (const uuid of certificatesOf(results)) {
      const pair = await fetchCertificate(uuid);
      if (pair !== null) certificates[uuid] = pair;
    }
    return { instance, results: [...results].sort(byPk), certificates };
  }

  /** A certificate that cannot be read now must not hold everything else up. */
  async function fetchCertificate(uuid: string): Promise<CertificatePair | null> {
    const known = snapshot?.certificates[uuid] ?? null;
    try {
      return (await api.certificate(uuid, known?.fingerprint ?? null)) ?? known;
    } catch (error) {
      sayOnce(uuid, `the certificate ${uuid} cannot be read: ${explain(error)}`);
      return known;
    }
  }

  function use(current: Snapshot, text: string): void {
    const certificates = new Map<string, { cert: string; key: string }>();
    for (const [uuid, pair] of Object.entries(current.certificates)) {
      const written = files.write(uuid, pair);
      if ('problem' in written) sayOnce(uuid, `the certificate ${uuid} cannot be used: ${written.problem}`);
      else certificates.set(uuid, written);
    }
    const { instance, results } = current;
    const translation = translateProviders({ results, instance, env, certificates });
    outpost = { pk: instance.pk, name: instance.name, logLevel: logLevelOf(instance.config['log_level']) };
    const { providers } = translation;
    const print = JSON.stringify([providers, outpost]);
    sayWhatIsWrong(translation);
    if (print === applied) return;
    applied = print;
    const facts = { outpost: outpost.name, providers: providers.map((provider) => provider.name) };
    void options.apply(providers, outpost).then(() => log.info(facts, text));
  }

  function sayWhatIsWrong({ providers, skipped, warnings }: Translation): void {
    const texts = [
      ...skipped.map(({ name, reason }) => `the provider ${JSON.stringify(name)} is skipped: ${reason}`),
      ...warnings,
      ...(providers.length === 0 ? ['authentik has no forward-auth provider for this outpost'] : []),
    ];
    // What has been put right is said again when it comes back.
    for (const [topic, text] of said) if (topic === text && !texts.includes(text)) said.delete(topic);
    for (const text of texts) sayOnce(text, text);
  }

  function sayOnce(topic: string, text: string): void {
    if (said.get(topic) === text) return;
    said.set(topic, text);
    log.warn({}, text);
  }

  async function keep(fetched: Snapshot): Promise<void> {
    try {
      await disk.write(fetched);
    } catch (error) {
      sayOnce('disk', `the providers cannot be kept for a start without authentik: ${explain(error)}`);
    }
  }

  function connect(pk: string): void {
    if (socket?.pk === pk) return;
    socket?.connection.close();
    const connection = (options.connect ?? connectCore)({
      host: env.host,
      token: env.token,
      insecure: env.insecure,
      outpostPk: pk,
      instanceId: options.instanceId,
      hello: { version: VERSION, buildHash: '', uuid: options.instanceId, hostname: hostname() },
      timers,
      random: options.random,
      monotonic,
      log,
      onTrigger: trigger,
      onSessionEnd: options.sessionEnd,
      onConnected: (again) => {
        if (again) trigger();
      },
    });
    socket = { pk, connection };
  }

  /** Triggers that come in while one is waiting are the same news. */
  function trigger(): void {
    if (stopped || cancelTrigger !== null) return;
    cancelTrigger = timers.after(options.random() * TRIGGER_SPREAD, () => {
      cancelTrigger = null;
      void refresh();
    });
  }

  async function adviseOnce(): Promise<void> {
    const root = await api.rootConfig().catch(() => ({}) as Readonly<Record<string, unknown>>);
    const reporting = root['error_reporting'];
    if (typeof reporting === 'object' && reporting !== null && 'enabled' in reporting && reporting.enabled === true) {
      log.info({}, 'authentik asks for error reports to Sentry; akprox sends none');
    }
  }

  const events = createEventReporter({ api, outpostName: () => outpost?.name ?? '', monotonic, log });
  begin().catch((error: unknown) => log.error({ err: error }, 'an unexpected error'));
  return {
    stop() {
      stopped = true;
      cancelNext();
      cancelTrigger?.();
      socket?.connection.close();
      files.remove();
    },
    refresh,
    status: () => ({
      outpost,
      instanceId: options.instanceId,
      connected: socket?.connection.connected ?? false,
      lastUpdate,
      problem,
    }),
    misconfigured: (event) => events.report(event),
  };
}

function pollInterval(seconds: number | null): number {
  if (seconds === null || seconds <= 0) return DEFAULT_INTERVAL * 1_000;
  return Math.min(Math.max(seconds, SHORTEST_INTERVAL), LONGEST_INTERVAL) * 1_000;
}

/** core's order is not stable. Where two providers collide, the older one wins. */
function byPk(left: unknown, right: unknown): number {
  return pkOf(left) - pkOf(right);
}

function pkOf(raw: unknown): number {
  const pk = typeof raw === 'object' && raw !== null && 'pk' in raw ? Number(raw.pk) : Number.NaN;
  return Number.isFinite(pk) ? pk : Number.MAX_SAFE_INTEGER;
}

function logLevelOf(value: unknown): LogLevel | null {
  const level = fromPythonLevel(textOf(value));
  return LOG_LEVELS.find((known) => known === level) ?? null;
}
