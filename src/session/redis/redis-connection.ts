// The connection to Redis that the store asks. Every command is answered or given up within half a second. A server, a balancer or
// a fail-over that closes the connection is no reason to give up: what was asked is asked again on the next connection, in
// what is left of that time. When Redis has been away for longer, commands fail at once; reconnecting goes on for ever.
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import type { Logger } from 'pino';
import { AkproxError } from '../../infra/errors.js';
import { createGatedLog, type GatedLog } from '../../infra/log-gate.js';
import { bounded, createClient } from './redis-client.js';
import { isLost, MOVED, RedisFailure, redisReason, refusalMessage, replyOf } from './redis-failure.js';
import { type RedisStoreConfig, type RedisTarget, redisTarget } from './redis-options.js';

export interface RedisConnection {
  readonly client: Redis | Cluster;
  /**
   * Runs one command; whatever goes wrong becomes `store_unavailable`, within `COMMAND_BOUND_MS`. `ask` is called again when the connection
   * is lost before the answer has come: the command may then run twice, so twice must do the same as once. What is answered
   * the second time may differ, and is the caller's to know.
   */
  run<T>(command: string, ask: (client: Redis | Cluster) => Promise<T>): Promise<T>;
  /**
   * At start: resolves when Redis can be used, or cannot be reached (logged; it may come). Rejects with `store_unusable`
   * when waiting would not help: credentials, permissions, database number.
   */
  probe(): Promise<void>;
  close(): Promise<void>;
}

/** A command is given up after this long. */
const COMMAND_BOUND_MS = 500;
/** Commands that wait for a connection at once; more fail, as they do when Redis is away for longer. */
const MOST_WAITING = 10_000;
/** Before a command is asked again on what may be the same connection. */
const PAUSE_MS = 20;
/** How long the start waits for Redis before it goes on without. */
const START_WAIT_MS = 3_000;

export function connectRedis(
  config: RedisStoreConfig,
  options: { readonly log: Logger; readonly random?: () => number; readonly monotonic?: () => number },
): RedisConnection {
  const target = redisTarget(config);
  const client = createClient(target, options.random ?? Math.random);
  return new Connection(client, target, config.prefix, options.log, options.monotonic ?? (() => performance.now()));
}

class Connection implements RedisConnection {
  readonly client: Redis | Cluster;
  private readonly target: RedisTarget;
  private readonly prefix: string;
  private readonly log: Logger;
  private readonly monotonic: () => number;
  private ready = false;
  private closed = false;
  /** Why there is no connection, as far as known. */
  private reason = '';
  /** Set by the first answer that no waiting will change. */
  private refusal: AkproxError | null = null;
  private changed: () => void = () => undefined;
  /** When there last was a connection, monotonic milliseconds. */
  private lostAt = Number.NEGATIVE_INFINITY;
  private readonly waiting = new Set<() => void>();
  /** A server that closes idle connections does so every few seconds. */
  private readonly gated: GatedLog;

  constructor(client: Redis | Cluster, target: RedisTarget, prefix: string, log: Logger, monotonic: () => number) {
    this.client = client;
    this.target = target;
    this.prefix = prefix;
    this.log = log;
    this.monotonic = monotonic;
    this.gated = createGatedLog(log, monotonic);
    client.on('ready', () => {
      if (this.closed) return;
      this.ready = true;
      this.refusal = null;
      this.gated.info({}, this.lostAt > 0 ? 'connected to Redis again' : 'connected to Redis');
      this.changed();
      for (const wake of this.waiting) wake();
    });
    client.on('close', () => {
      if (this.ready) {
        this.lostAt = this.monotonic();
        if (!this.closed) this.gated.warn({ reason: this.reason }, 'the connection to Redis is lost');
      }
      this.ready = false;
    });
    client.on('error', (error: Error) => this.onError(error));
    client.on('sentinelError', (error: Error) => this.onError(error));
    client.on('node error', (error: Error) => this.onError(error));
  }

  private onError(error: Error): void {
    this.reason = redisReason(error);
    if (this.ready) return;
    // ioredis would go on with database 0.
    if (/DB index is out of range/i.test(error.message)) this.client.disconnect(true);
    const message = refusalMessage(error, this.target);
    if (message === null) return;
    this.refusal = new AkproxError('store_unusable', message);
    this.changed();
  }

  async run<T>(command: string, ask: (client: Redis | Cluster) => Promise<T>): Promise<T> {
    const deadline = this.monotonic() + COMMAND_BOUND_MS;
    for (let moved = false; ; ) {
      if (this.closed) throw new AkproxError('store_unavailable', 'the connection to Redis is closed');
      try {
        if (!this.ready) await this.untilReady(deadline);
        return await bounded(ask(this.client), deadline - this.monotonic());
      } catch (error) {
        const failure: RedisFailure = this.failureOf(command, error);
        // Told that it is the wrong server, a client asks for the right one (see `reconnectOnError`): once is enough.
        const elsewhere: boolean = MOVED.test(failure.reply) && !moved;
        if (!(isLost(error) || elsewhere) || this.monotonic() + PAUSE_MS >= deadline) throw failure;
        moved ||= elsewhere;
        await delay(PAUSE_MS);
      }
    }
  }

  private failureOf(command: string, error: unknown): RedisFailure {
    const reason = this.ready ? redisReason(error) : `not connected (${this.reason || redisReason(error)})`;
    return new RedisFailure(command, reason, replyOf(error));
  }

  /** Rejects when no connection comes within `deadline`, or half a second after the last one was lost. */
  private async untilReady(deadline: number): Promise<void> {
    const wait = Math.min(deadline, this.lostAt + COMMAND_BOUND_MS) - this.monotonic();
    if (wait <= 0 || this.waiting.size >= MOST_WAITING) throw new Error("the connection isn't ready");
    let wake = (): void => {};
    const ready = new Promise<void>((resolve) => {
      wake = resolve;
    });
    this.waiting.add(wake);
    try {
      await bounded(ready, wait);
    } finally {
      this.waiting.delete(wake);
    }
  }

  async probe(): Promise<void> {
    await this.started();
    if (this.refusal !== null) throw this.refusal;
    if (!this.ready) {
      this.log.error(
        { reason: this.reason },
        'Redis cannot be reached; starting without: sessions answer 503 until it is there. Start it, or correct its address in `store`',
      );
      return;
    }
    const key = `${this.prefix}probe`;
    const asks: [string, (client: Redis | Cluster) => Promise<unknown>][] = [
      ['SET', (client) => client.set(key, '1', 'PX', 1_000)],
      ['GET', (client) => client.get(key)],
      ['EVAL', (client) => client.eval(PROBE_SCRIPT, 1, key)],
      ['DEL', (client) => client.del(key)],
      ['PUBLISH', (client) => client.publish(key, '')],
    ];
    for (const [command, ask] of asks) {
      try {
        await this.run(command, ask);
      } catch (error) {
        if (error instanceof RedisFailure && error.reply === 'NOPERM') {
          throw new AkproxError(
            'store_unusable',
            `store.username: Redis does not let this user run ${command} (${error.reason}); it needs the keys ~${this.prefix}*, ` +
              `the channels &${this.prefix}* and +@read +@write +@pubsub +@scripting +@connection`,
          );
        }
        // A full disk or memory (MISCONF, OOM) may be mended while sessions are still read.
        this.log.error({ err: error }, 'Redis answers, but refuses commands');
        return;
      }
    }
  }

  private async started(): Promise<void> {
    if (this.ready || this.refusal !== null) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.changed = resolve;
      timer = setTimeout(resolve, START_WAIT_MS);
    });
    clearTimeout(timer);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.client.disconnect();
  }
}

/** What the scripts of the store need to be allowed. */
const PROBE_SCRIPT =
  "redis.call('DEL', KEYS[1]) redis.call('ZADD', KEYS[1], 1, '1') return redis.call('PEXPIRE', KEYS[1], 1000)";
