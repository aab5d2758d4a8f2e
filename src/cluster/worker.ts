// A worker: the composition root, the only file that knows everybody. It is set up by the primary over IPC, listens, and
// says `ready`; a configuration change swaps the context that its routes ask for, so that no check is ever refused.
import { hostname as hostnameOf } from 'node:os';
import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Application, type ApplicationTable, updateApplications } from '../application/application.js';
import { oidcOptionsOf } from '../authentik/back-channel.js';
import { createEventLimit, shownHeaders } from '../authentik/events.js';
import { endAuthentikSessions } from '../authentik/session-end.js';
import type { Config } from '../config/schema.js';
import { checkLogger } from '../http/check-log.js';
import { createCompatServer } from '../http/compat.js';
import { EndedLogins } from '../http/ended-logins.js';
import type { HeaderSource } from '../http/exchange.js';
import { inBandStepOf, type OutpostContext } from '../http/router.js';
import { createServer, type Server, type ServerOptions, type TlsFiles } from '../http/server.js';
import { createTrustedProxies } from '../http/trusted-proxies.js';
import { type Clock, createClock } from '../infra/clock.js';
import { AkproxError, explain } from '../infra/errors.js';
import { parseAddress } from '../infra/host-port.js';
import { createLog, logTo, WORKER_LOG_FD } from '../infra/log.js';
import { createGatedLog, type GatedLog } from '../infra/log-gate.js';
import { systemTimers } from '../infra/timers.js';
import { MeasuredStore } from '../metrics/measured-store.js';
import { Tally } from '../metrics/tally.js';
import { createOidcClient, type OidcClient } from '../oidc/client.js';
import { HeaderAuth } from '../oidc/header-auth.js';
import { refreshTokens } from '../oidc/refresh.js';
import { openChannel, openStore } from '../session/open-store.js';
import type { RedisChannel } from '../session/redis/redis-channel.js';
import type { Revocation } from '../session/revocation.js';
import { Sessions } from '../session/sessions.js';
import type { Instruction, ToPrimary, ToWorker, WorkerSetup } from './messages.js';
import { SecureListener } from './secure-listener.js';

/** Between two questions to a store that does not answer, in milliseconds. */
const PROBE_PAUSE = 50;
/** How far behind the clock of the hot path may be, in milliseconds. */
const CLOCK_STEP = 20;

const monotonic = (): number => performance.now();

export async function runWorker(): Promise<void> {
  const exit = (): never => process.exit(1);
  // Without its primary a worker hears of no revocation: it must not go on.
  process.on('disconnect', exit);
  // The primary decides when to stop; a Ctrl-C reaches the whole process group.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  process.on('SIGHUP', () => {});
  process.on('SIGUSR1', () => {});
  let worker: Worker | null = null;
  /** What came while it was still being set up. */
  const early: Instruction[] = [];
  process.on('message', (message: ToWorker) => {
    if (message.type === 'setup') {
      Worker.start(message.setup).then(
        (started) => {
          worker = started;
          for (const missed of early) started.hear(missed);
          send({ type: 'ready' });
        },
        (error: unknown) => {
          const code = error instanceof AkproxError ? error.code : 'internal';
          send({ type: 'failed', code, message: explain(error) });
        },
      );
    } else if (worker !== null) worker.hear(message);
    else if (message.type === 'drain') process.exit(0);
    else early.push(message);
  });
  send({ type: 'hello' });
}

function send(message: ToPrimary): void {
  process.send?.(message);
}

class Worker {
  private config: Config;
  private readonly setup: WorkerSetup;
  private readonly log: Logger;
  private readonly gated: GatedLog;
  private readonly store: MeasuredStore;
  private readonly sessions: Sessions;
  private readonly redis: RedisChannel | null;
  private readonly clock: Clock;
  private plain: Server | null = null;
  private secure: SecureListener | null = null;
  private compat: ReturnType<typeof createCompatServer> | null = null;
  private applications: ApplicationTable;
  private context: OutpostContext;
  private readonly oidc = new Map<Application, OidcClient>();
  private readonly tally: Tally;
  private readonly revocationHandlers: ((revocation: Revocation) => void)[] = [];
  /** For the hot path. */
  private readonly sampled = { time: monotonic() };
  private readonly headerAuth: HeaderAuth;
  private readonly endedLogins = new EndedLogins();
  private readonly eventLimit = createEventLimit(monotonic);

  private constructor(
    config: Config,
    setup: WorkerSetup,
    log: Logger,
    /** For every line that a request can cause. */
    gated: GatedLog,
    store: MeasuredStore,
    sessions: Sessions,
    redis: RedisChannel | null,
    clock: Clock,
  ) {
    this.config = config;
    this.setup = setup;
    this.log = log;
    this.gated = gated;
    this.store = store;
    this.sessions = sessions;
    this.redis = redis;
    this.clock = clock;
    this.headerAuth = new HeaderAuth({
      oidc: (application) => this.clientOf(application),
      now: clock.now,
      monotonic,
      log: gated,
    });
    this.applications = updateApplications(null, config.providers);
    this.tally = new Tally({ applications: this.applications, sessions, store });
    this.context = this.makeContext();
    setInterval(() => {
      this.sampled.time = monotonic();
      // Looked at often, so that it has settled long before anything jumps.
      this.clock.now();
    }, CLOCK_STEP).unref();
  }

  static async start(setup: WorkerSetup): Promise<Worker> {
    const { config } = setup;
    const log = createLog(config.log.level, 'worker', logTo(WORKER_LOG_FD));
    const clock = createClock(Date.now, monotonic);
    const gated = createGatedLog(log, monotonic);
    const store = new MeasuredStore(await openStore(config.store, clock.now, log), () => performance.now() / 1_000);
    const handlers: ((revocation: Revocation) => void)[] = [];
    const redis = await openChannel(config.store, { log, monotonic, nodeId: `${hostnameOf()}/${process.pid}` });
    const channel = {
      publish: (revocation: Revocation) => {
        redis?.publish(revocation);
        // What the store could not delete: it may be the very Redis that would carry this.
        if (redis === null || revocation.refusedUntil !== undefined) send({ type: 'revoke', revocation });
      },
      subscribe: (handler: (revocation: Revocation) => void) => {
        redis?.subscribe(handler);
        handlers.push(handler);
      },
    };
    // Sessions are made before the worker that has the clients, and renew nothing before it is there.
    let clients: (application: Application) => OidcClient = () => {
      throw new AkproxError('internal', 'a session was renewed before the worker was set up');
    };
    const sessions = new Sessions({
      redeem: async (application, refreshToken, session) =>
        refreshTokens(clients(application), refreshToken, session.claims),
      store,
      channel,
      cache: config.cache,
      now: clock.now,
      monotonic,
      random: Math.random,
      log: gated,
    });
    // Deaf for a while: what was revoked meanwhile must not survive in the cache.
    redis?.onGap(() => void forgetOnceReadable(store, sessions));
    const started = new Worker(config, setup, log, gated, store, sessions, redis, clock);
    clients = (application) => started.clientOf(application);
    started.revocationHandlers.push(...handlers);
    started.warmUp();
    await started.listen();
    process.on('uncaughtException', (error) => started.fault(error));
    process.on('unhandledRejection', (error) => started.fault(error));
    return started;
  }

  /** Never throws: a message that cannot be dealt with is no reason to miss the next one. */
  hear(message: Instruction): void {
    try {
      this.onMessage(message);
    } catch (error) {
      this.fault(error);
    }
  }

  private onMessage(message: Instruction): void {
    switch (message.type) {
      case 'configure':
        this.configure(message.config);
        void this.acknowledge(message.generation);
        break;
      case 'revoked':
        for (const handler of this.revocationHandlers) handler(message.revocation);
        break;
      case 'session_end':
        void endAuthentikSessions({
          sid: message.sid,
          providers: this.applications.all,
          sessions: this.sessions,
          timers: systemTimers,
          log: this.log,
        });
        break;
      case 'report':
        send({ type: 'report', request: message.request, delta: this.tally.delta() });
        break;
      case 'health':
        send({ type: 'health', request: message.request, degraded: this.degraded() });
        break;
      case 'drain':
        void this.drain(message.graceMs);
        break;
      default:
        message satisfies never;
    }
  }

  private async listen(): Promise<void> {
    const { http, compat } = this.config.listen;
    if (http !== null) {
      this.plain = createServer(this.serverOptions(), null);
      await listenOn(this.plain, 'listen.http', http);
    }
    const { https } = this.config.listen;
    const { selfSigned } = this.setup;
    if (https !== null && selfSigned !== null) {
      const listen = (server: Server): Promise<void> => listenOn(server, 'listen.https', https);
      const options = { server: this.serverOptions(), fallback: selfSigned, listen };
      this.secure = await SecureListener.start(options, this.certificates(), (host, error) =>
        this.log.error({ host, err: error }, 'a certificate cannot be used: HTTPS answers with the self-signed one'),
      );
    }
    if (compat !== null) {
      const server = createCompatServer({ ...this.serverOptions(), maxHeaderBytes: this.config.max_header_bytes });
      this.compat = server;
      const { host, port } = parseAddress(compat);
      await new Promise<void>((resolve, reject) => {
        server.once('error', (cause) =>
          reject(new AkproxError('listen_failed', `listen.compat: cannot listen on ${compat}`, cause)),
        );
        server.listen(port, host, resolve);
      });
      server.on('error', (error) => this.fault(error));
    }
  }

  private serverOptions(): ServerOptions {
    return {
      context: () => this.context,
      onError: (error) => this.fault(error),
      timing: this.tally.timing,
      logDenied: checkLogger(this.log, () => this.context),
    };
  }

  /** Swaps the context in place: requests under way keep the old one, the next one gets the new one. */
  private configure(config: Config): void {
    this.config = config;
    this.log.level = config.log.level;
    this.applications = updateApplications(this.applications, config.providers);
    this.tally.update(this.applications);
    this.context = this.makeContext();
    for (const [application, client] of this.oidc) {
      if (this.applications.all.includes(application)) continue;
      client.close();
      this.oidc.delete(application);
    }
    this.warmUp();
  }

  private async acknowledge(generation: number): Promise<void> {
    const problem = this.secure === null ? null : await this.secure.change(this.certificates());
    send({ type: 'configured', generation, problem });
  }

  private makeContext(): OutpostContext {
    return {
      applications: this.applications,
      sessions: this.sessions,
      clock: this.sampled,
      inBand: inBandStepOf(() => this.context),
      headerAuth: (application, authorization) => this.headerAuth.verify(application, authorization),
      log: this.gated,
      misconfigured: (message, provider, req, peer) => this.reportMisconfiguration(message, provider, req, peer),
      logChecks: this.config.log.checks,
      oidc: (application) => this.clientOf(application),
      now: this.clock.now,
      endedLogins: this.endedLogins,
      countLogin: (application, result) => this.tally.countLogin(application, result),
      trustedProxies: createTrustedProxies(this.config.trusted_proxies),
    };
  }

  private certificates(): Map<string, TlsFiles> {
    const certificates = new Map<string, TlsFiles>();
    for (const application of this.applications.all) {
      const { tls } = application.config;
      if (tls) certificates.set(application.hostname, tls);
    }
    return certificates;
  }

  private clientOf(application: Application): OidcClient {
    let client = this.oidc.get(application);
    if (client === undefined) {
      client = createOidcClient({
        oidc: application.config.oidc,
        redirectUri: application.redirectUri,
        now: this.clock.now,
        monotonic,
        ...oidcOptionsOf(application.config.authentik),
        log: ({ event, ...rest }) => {
          const error = 'error' in rest ? rest.error : undefined;
          if (error === undefined) this.gated.info({ provider: application.name }, `identity provider: ${event}`);
          else this.gated.warn({ provider: application.name, err: error }, `identity provider: ${event}`);
        },
      });
      this.oidc.set(application, client);
    }
    return client;
  }

  private warmUp(): void {
    for (const application of this.applications.all) this.clientOf(application).warmUp();
  }

  private reportMisconfiguration(message: string, provider: string, req: HeaderSource, peer: string): void {
    if (!this.eventLimit.admit({ message, provider })) return;
    const headers: Record<string, string> = {};
    req.forEach((name, value) => {
      headers[name] = value;
    });
    send({
      type: 'misconfigured',
      event: { message, provider, clientIp: peer, url: req.getUrl(), headers: shownHeaders(headers) },
    });
  }

  private fault(error: unknown): void {
    this.tally.countError();
    const at = error instanceof Error ? error.stack?.split('\n')[1]?.trim() : undefined;
    this.gated.error({ err: error, at }, 'an unexpected error', at);
  }

  private degraded(): string | null {
    if (this.redis?.connected === false) return 'revocations of other workers are not heard';
    return this.store.failing === null ? null : `the session store: ${this.store.failing}`;
  }

  private async drain(graceMs: number): Promise<void> {
    this.compat?.close();
    await Promise.all([this.plain?.drain(graceMs), this.secure?.drain(graceMs)]);
    for (const client of this.oidc.values()) client.close();
    await this.redis?.close();
    await this.store.close();
    process.removeAllListeners('disconnect');
    process.disconnect?.();
    process.exit(0);
  }
}

/**
 * The channel may be back before the store is. Until the store answers, cached sessions are all that keeps people signed in
 * (and `stale_max` bounds them); from then on nothing that was learnt before counts.
 */
async function forgetOnceReadable(store: MeasuredStore, sessions: Sessions): Promise<void> {
  while (
    !(await store.get('probe').then(
      () => true,
      () => false,
    ))
  )
    await setTimeout(PROBE_PAUSE, undefined, { ref: false });
  sessions.forget();
}

async function listenOn(server: Server, setting: string, address: string): Promise<void> {
  const { host, port } = parseAddress(address);
  await server.listen(host, port).catch((error: unknown) => {
    throw new AkproxError('listen_failed', `${setting}: ${explain(error)}; is another program on that port?`, error);
  });
}
