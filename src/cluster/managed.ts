// Managed by authentik: its providers beside those of the file, applied by every worker when either changes. The primary
// starts this once when AUTHENTIK_HOST is set, asks it to merge what it is about to apply, and stops it.
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import type { Misconfiguration } from '../authentik/events.js';
import { type AuthentikStatus, type OutpostFacts, startAuthentikSource } from '../authentik/source.js';
import type { AuthentikEnv } from '../config/environment.js';
import type { Config, ProviderConfig } from '../config/schema.js';
import { systemTimers } from '../infra/timers.js';

export interface ManagedOptions {
  readonly env: AuthentikEnv;
  /** From file and environment. */
  readonly config: Config;
  readonly log: Logger;
  /** For every worker, those too that start later; resolves when each has it. */
  apply(config: Config): Promise<void>;
  /** Hands a `sid` to a worker; false when none is ready. */
  sessionEnd(sid: string): boolean;
}

export interface Managed {
  /** `config` from the file, with authentik's providers and log level over it; also what later changes start from. */
  merge(config: Config): Config;
  /** Why nothing can be served yet; null when something can. */
  unready(): string | null;
  status(): AuthentikStatus;
  misconfigured(event: Misconfiguration): void;
  stop(): void;
}

/** When the store is not on this disk, this is where the last known providers go: next to where it would be. */
const DEFAULT_DATA_DIR = './data';
/** Until a worker is ready to end sessions, in milliseconds. */
const RETRY = 500;

export function startManaged(options: ManagedOptions): Managed {
  const { log } = options;
  let file = options.config;
  let managed: { providers: readonly ProviderConfig[]; facts: OutpostFacts } | null = null;
  const waiting = new Set<string>();

  function merged(): Config {
    if (managed === null) return file;
    const { providers, facts } = managed;
    const taken = new Map(file.providers.map((provider) => [provider.origin.host, provider.name]));
    const added = providers.filter((provider) => {
      const owner = taken.get(provider.origin.host);
      if (owner !== undefined) {
        log.warn({ provider: provider.name }, `skipped: its host is that of ${JSON.stringify(owner)} in the file`);
      }
      return owner === undefined;
    });
    const level = facts.logLevel ?? file.log.level;
    return { ...file, log: { ...file.log, level }, providers: [...file.providers, ...added] };
  }

  function endSessions(sid: string): void {
    if (options.sessionEnd(sid)) {
      waiting.delete(sid);
      return;
    }
    waiting.add(sid);
    systemTimers.after(RETRY, () => endSessions(sid));
  }

  const source = startAuthentikSource({
    env: options.env,
    dataDir: file.store.kind === 'embedded' ? file.store.path : DEFAULT_DATA_DIR,
    proxies: file.proxies,
    instanceId: randomUUID(),
    now: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
    log,
    apply(providers, facts) {
      managed = { providers, facts };
      return options.apply(merged());
    },
    sessionEnd: (sid) => {
      if (!waiting.has(sid)) endSessions(sid);
    },
  });
  const onSignal = (): void => void source.refresh();
  process.on('SIGUSR1', onSignal);

  return {
    merge(config) {
      file = config;
      return merged();
    },
    unready: () =>
      managed === null && file.providers.length === 0
        ? (source.status().problem ?? 'authentik has not answered yet')
        : null,
    status: () => source.status(),
    misconfigured: (event) => source.misconfigured(event),
    stop() {
      process.removeListener('SIGUSR1', onSignal);
      source.stop();
    },
  };
}
