// A worker: the composition root, the only file that knows everybody. It listens once it is put together; a configuration change
// swaps the context that its routes ask for, so that no check is ever refused.
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { type Application, type ApplicationTable, updateApplications } from '../application/application.js';
import type { Claims } from '../application/claims.js';
import { endAuthentikSessions } from '../authentik/session-end.js';

import type { Config } from '../config/schema.js';
import type { CheckContext } from '../http/check.js';
import { checkLogger } from '../http/check-log.js';
import { CheckState } from '../http/check-state.js';
import { EndedLogins } from '../http/ended-logins.js';
import type { Engine } from '../http/engine.js';
import { inBandHandler } from '../http/in-band.js';
import type { RequestContext } from '../http/router.js';
import { createTrustedProxies } from '../http/trusted-proxies.js';
import { type Clock, createClock } from '../infra/clock.js';
import { explain } from '../infra/errors.js';
import { createLog, linesTo, logTo, WORKER_LOG_FD } from '../infra/log.js';
import { createGatedLog, type GatedLog } from '../infra/log-gate.js';
import { References } from '../infra/references.js';
import { systemTimers } from '../infra/timers.js';
import type { Tracing } from '../infra/tracing.js';
import { METRICS } from '../metrics/catalogue.js';
import { IdpHealth } from '../metrics/idp-health.js';
import { MeasuredStore } from '../metrics/measured-store.js';
import { Tally } from '../metrics/tally.js';
import { HeaderAuth } from '../oidc/header-auth.js';
import { AssertionKeys } from '../session/assertion-keys.js';
import { type Audit, createAudit } from '../session/audit.js';
import { openChannel, openStore } from '../session/open-store.js';
import type { Operation } from '../session/operation.js';
import type { SharedChannel } from '../session/revocation.js';
import { Sessions } from '../session/sessions.js';
import { signAssertion } from '../session/sign-assertion.js';
import { type Listeners, startListeners } from './listeners.js';
import type { Instruction, ToPrimary, WorkerSetup } from './messages.js';
import { createMisconfigurationReporter } from './misconfigurations.js';
import { OidcClients } from './oidc-clients.js';
import { clearCacheOnceStoreAnswers, createWorkerChannel, type WorkerChannel } from './worker-channel.js';

/** How far behind the clock of the hot path may be, in milliseconds. */
const CLOCK_STEP = 20;
/** Of how much time a worker that is killed takes its counts with it, in milliseconds. */
const COUNTS_EVERY = 1_000;

/** All of it but its listeners. `send`: to the primary. */
export async function createWorker({ config }: WorkerSetup, send: (message: ToPrimary) => void): Promise<Worker> {
  const log = createLog(config.log.level, 'worker', linesTo(WORKER_LOG_FD));
  const clock = createClock(Date.now, () => performance.now());
  const { now, monotonic } = clock;
  const gated = createGatedLog(log, monotonic);
  const tracing = await openTracing(config, gated, monotonic);
  const store = new MeasuredStore(
    await openStore(config.store, now, log),
    () => monotonic() / 1_000,
    tracing === null ? undefined : (op) => tracing.asked('store', { 'db.operation.name': op }),
  );
  const redis = await openChannel(config.store, { log, monotonic, nodeId: `${hostname()}/${process.pid}` });
  const channel = createWorkerChannel(redis, (revocation) => send({ type: 'revoke', revocation }));
  const running = { config };
  const audit = createAudit({ log, monotonic, mode: () => running.config.log.audit });
  const idps = new IdpHealth(now);
  const clients = new OidcClients({ clock, log: gated, proxies: config.proxies, idps, tracing });
  const assertionKeys = new AssertionKeys({ values: store.values, now, monotonic, log: gated });
  const sign = (application: Application, claims: Claims) => signAssertion(assertionKeys, application, claims, now());
  const sessions = new Sessions({
    sign,
    redeem: async (application, refreshToken, session) => {
      const { refreshTokens } = await import('../oidc/refresh.js');
      const redeem = () => refreshTokens(clients.of(application), refreshToken, session);
      if (tracing === null) return redeem();
      return tracing.around('renewal', '', { 'akprox.provider': application.name }, redeem, ({ kind }) => ({
        failed: kind === 'fault' || kind === 'refused',
        facts: { 'akprox.result': kind },
      }));
    },
    store,
    channel,
    cache: config.cache,
    now,
    monotonic,
    random: Math.random,
    log: gated,
    audit,
  });
  // Cut off for a while: what was revoked meanwhile must not survive in the cache.
  redis?.onGap(() => void clearCacheOnceStoreAnswers(store, sessions, systemTimers));
  return new Worker(config, {
    send,
    log,
    gated,
    audit,
    tracing,
    running,
    clock,
    store,
    redis,
    channel,
    clients,
    idps,
    sessions,
    assertionKeys,
    sign,
  });
}

/** Loads what it takes only where somebody takes the spans. */
async function openTracing(config: Config, log: GatedLog, monotonic: () => number): Promise<Tracing | null> {
  if (config.tracing !== true) return null;
  const { createOtelTracing } = await import('../infra/otel-tracing.js');
  return createOtelTracing({ log, monotonic });
}

/** What lasts as long as the worker does. */
interface Parts {
  /** To the primary. */
  readonly send: (message: ToPrimary) => void;
  readonly log: Logger;
  /** For every line that a request can cause. */
  readonly gated: GatedLog;
  readonly audit: Audit;
  readonly tracing: Tracing | null;
  /** What the audit goes by. */
  readonly running: { config: Config };
  readonly clock: Clock;
  readonly store: MeasuredStore;
  /** Null with the embedded store. */
  readonly redis: SharedChannel | null;
  readonly channel: WorkerChannel;
  readonly clients: OidcClients;
  readonly idps: IdpHealth;
  readonly sessions: Sessions;
  readonly assertionKeys: AssertionKeys;
  readonly sign: (application: Application, claims: Claims) => Promise<string>;
}

export class Worker {
  private readonly parts: Parts;
  private readonly tally: Tally<typeof METRICS>;
  private readonly checkState = new CheckState();
  private readonly headerAuth: HeaderAuth;
  private readonly endedLogins = new EndedLogins();
  private readonly references: References;
  private readonly misconfigured: NonNullable<CheckContext['misconfigured']>;
  /** For the hot path. */
  private readonly sampled: { time: number };
  private config: Config;
  private applications: ApplicationTable;
  private context: RequestContext;
  private listeners: Listeners | null = null;

  constructor(config: Config, parts: Parts) {
    const { clock, clients, sessions, store, gated, sign, idps } = parts;
    const { now, monotonic } = clock;
    this.parts = parts;
    this.references = new References(gated, randomBytes);
    this.config = config;
    this.applications = updateApplications(null, config.providers);
    this.tally = new Tally(METRICS, { applications: this.applications, sessions, store, idps });
    this.headerAuth = new HeaderAuth({
      oidc: (application) => clients.of(application),
      sign,
      now,
      monotonic,
      log: gated,
      countRefused: (application, reason) =>
        this.tally.count('akprox_credentials_refused_total', application.name, reason),
    });
    this.misconfigured = createMisconfigurationReporter(monotonic, (event) =>
      parts.send({ type: 'misconfigured', event }),
    );
    this.sampled = { time: monotonic() };
    setInterval(() => {
      this.sampled.time = monotonic();
      // Looked at often, so that it has settled long before anything jumps.
      clock.now();
    }, CLOCK_STEP).unref();
    setInterval(() => this.sendCounts(), COUNTS_EVERY).unref();
    this.context = this.makeContext();
    clients.update(this.applications.all);
  }

  /** Resolves when it listens. */
  async listen({ selfSigned, socket, descriptors }: WorkerSetup): Promise<void> {
    const { log } = this.parts;
    this.listeners = await startListeners({
      server: {
        context: () => this.context,
        onError: (error) => this.reportUnexpected(error),
        timing: this.tally.timing,
        logCheck: checkLogger(log, () => this.context),
      },
      config: this.config,
      selfSigned,
      socket,
      descriptors,
      applications: this.applications.all,
      badCertificate: (host, error) =>
        log.error(
          { host, err: error },
          'a certificate cannot be used: HTTPS answers with that of listen.tls or a self-signed one',
        ),
    });
  }

  /** What `listen.http` is served by. */
  get engine(): Engine {
    return this.listeners?.engine ?? 'node:http';
  }

  /** Never throws: a message that cannot be dealt with is no reason to miss the next one. */
  receive(message: Instruction): void {
    try {
      this.onMessage(message);
    } catch (error) {
      this.reportUnexpected(error);
    }
  }

  private onMessage(message: Instruction): void {
    switch (message.type) {
      case 'configure':
        this.configure(message.config);
        this.acknowledge(message.generation);
        break;
      case 'revoked':
        this.parts.channel.receive(message.revocation);
        break;
      case 'session_end':
        void endAuthentikSessions({
          sid: message.sid,
          providers: this.applications.all,
          sessions: this.parts.sessions,
          timers: systemTimers,
          log: this.parts.log,
        });
        break;
      case 'sweep':
        this.sweep();
        break;
      case 'report':
        this.sendCounts();
        this.parts.send({ type: 'report', request: message.request });
        break;
      case 'health':
        this.parts.send({ type: 'health', request: message.request, degraded: this.degraded() });
        break;
      case 'operate':
        void this.operate(message.request, message.operation);
        break;
      case 'forget':
        this.parts.sessions.forget(message.keys);
        break;
      case 'drain':
        void this.drain(message.graceMs, message.idleMs);
        break;
      default:
        message satisfies never;
    }
  }

  private async operate(request: number, operation: Operation): Promise<void> {
    const { send, sessions, store } = this.parts;
    try {
      const { operate } = await import('../session/operation.js');
      const result = await operate(operation, { applications: this.applications.all, sessions, store });
      send({ type: 'operated', request, result });
    } catch (error) {
      send({ type: 'operated', request, result: { problem: explain(error) } });
    }
  }

  private sweep(): void {
    const { clock, store, log } = this.parts;
    if (!clock.settled()) return;
    store.sweep().catch((error: unknown) => log.warn({ err: error }, 'expired sessions not removed'));
  }

  private sendCounts(): void {
    const counts = this.tally.take();
    if (counts !== null) this.parts.send({ type: 'counted', counts });
  }

  /** Swaps the context in place: requests under way keep the old one, the next one gets the new one. */
  private configure(config: Config): void {
    this.config = config;
    this.parts.running.config = config;
    this.parts.log.level = config.log.level;
    this.applications = updateApplications(this.applications, config.providers);
    this.tally.update(this.applications);
    this.context = this.makeContext();
    this.parts.clients.update(this.applications.all);
  }

  private acknowledge(generation: number): void {
    const problem = this.listeners?.applyCertificates(this.applications.all, this.config.listen) ?? null;
    this.parts.send({ type: 'configured', generation, problem });
  }

  private makeContext(): RequestContext {
    const { sessions, assertionKeys, gated, audit, tracing, clients, clock } = this.parts;
    return {
      applications: this.applications,
      sessions,
      clock: this.sampled,
      state: this.checkState,
      inBand: inBandHandler(() => this.context),
      headerAuth: (application, authorization) => this.headerAuth.verify(application, authorization),
      log: gated,
      audit,
      logAudit: this.config.log.audit,
      misconfigured: this.misconfigured,
      logChecks: this.config.log.checks,
      watchesHits: this.config.log.checks === 'all' || tracing !== null,
      tracing,
      oidc: (application) => clients.of(application),
      now: clock.now,
      look: this.config.pages,
      references: this.references,
      logWritten: () => logTo(WORKER_LOG_FD).written(),
      publicKeys: (application) => assertionKeys.published(application),
      endedLogins: this.endedLogins,
      countLogin: (application, result) => this.tally.count('akprox_logins_total', application.name, result),
      trustedProxies: createTrustedProxies(this.config.trusted_proxies),
    };
  }

  reportUnexpected(error: unknown): void {
    const at = error instanceof Error ? error.stack?.split('\n')[1]?.trim() : undefined;
    this.parts.gated.error({ err: error, at }, 'an unexpected error', at);
  }

  /** Why this worker is worse than it should be; null when it is well. */
  private degraded(): string | null {
    const { redis, store } = this.parts;
    if (redis?.connected === false) return 'the revocation channel is not connected';
    return store.failing === null ? null : `the session store: ${store.failing}`;
  }

  private async drain(graceMs: number, idleMs: number): Promise<void> {
    const { clients, clock, redis, sessions, store, tracing } = this.parts;
    const end = clock.monotonic() + graceMs;
    await this.listeners?.drain(graceMs, idleMs);
    const patience = new Promise<void>((resolve) => systemTimers.after(end - clock.monotonic(), resolve));
    await Promise.race([sessions.renewalsOver(), patience]);
    clients.close();
    await Promise.race([tracing?.close(), patience]);
    await redis?.close();
    await store.close();
    process.removeAllListeners('disconnect');
    process.disconnect?.();
    process.exit(0);
  }
}
