// Revocations from every worker of every node to every other, over Redis pub/sub. Pub/sub forgets who does not listen: so a channel
// knows when it was deaf, and says so (`onGap`) once it hears again; what a cache learnt before that cannot be trusted any more.
// Each worker has a channel, and a channel one connection, for both directions.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { isRecord } from '../../application/claims.js';
import { type Backoff, createBackoff } from '../../infra/backoff.js';
import type { HostPort } from '../../infra/host-port.js';
import { createGatedLog, type GatedLog } from '../../infra/log-gate.js';
import type { Revocation, RevocationChannel, RevocationSource } from '../revocation.js';
import { bounded, dialRedis, redisReason } from './redis-connection.js';
import { RECONNECTS, type RedisStoreConfig, type RedisTarget, redisTarget } from './redis-options.js';

export interface RedisChannel extends RevocationChannel {
  /** False while revocations of others may be missed. */
  readonly connected: boolean;
  /** `handler` runs each time that it hears again, the first time included: drop every cached entry and every read under way. */
  onGap(handler: () => void): void;
  close(): Promise<void>;
}

export interface RedisChannelOptions {
  readonly log: Logger;
  /** Milliseconds. */
  readonly monotonic: () => number;
  /** For the eye, in messages. Need not be unique. */
  readonly nodeId: string;
  readonly random?: () => number;
  /** How often the channel sends itself something; three unanswered in a row are a dead connection. */
  readonly heartbeatMs?: number;
}

const HEARTBEAT_MS = 1_000;
const MISSED_HEARTBEATS = 3;
const ATTEMPT_MS = 3_000;
/** Keys in one message: some 20 KiB. */
const KEYS_PER_MESSAGE = 400;
/** While Redis is away, this much waits. Older ones have ended in every cache by themselves: see `cache.stale_max`. */
const MAX_PENDING_KEYS = 100_000;
const MAX_PENDING_AGE_MS = 600_000;

/** A record, so that a new source cannot be forgotten here. */
const SOURCES: Readonly<Record<RevocationSource, true>> = {
  sign_out: true,
  replaced: true,
  backchannel: true,
  authentik: true,
  refresh: true,
  operator: true,
};

interface Message {
  readonly text: string;
  readonly keys: number;
  readonly queuedAt: number;
  sending: boolean;
}

export function openRedisChannel(config: RedisStoreConfig, options: RedisChannelOptions): RedisChannel {
  return new Channel(redisTarget(config), config.prefix, options);
}

class Channel implements RedisChannel {
  private readonly target: RedisTarget;
  private readonly options: RedisChannelOptions;
  connected = false;
  private readonly self: string;
  private readonly revocations: string;
  private readonly heartbeats: string;
  private readonly reconnects: Backoff;
  private readonly handlers: ((revocation: Revocation) => void)[] = [];
  private readonly gapHandlers: (() => void)[] = [];
  private readonly pending = new Set<Message>();
  private pendingKeys = 0;
  /** In a Cluster: its nodes, as far as known. */
  private nodes: readonly HostPort[];
  private client: Redis | null = null;
  private timer: NodeJS.Timeout | undefined;
  /** Something was wrong since the channel last worked: said once. */
  private saidLost = false;
  private dials = 0;
  private unanswered = 0;
  private closed = false;
  private readonly gated: GatedLog;

  constructor(target: RedisTarget, prefix: string, options: RedisChannelOptions) {
    this.target = target;
    this.options = options;
    this.gated = createGatedLog(options.log, options.monotonic);
    this.self = `${options.nodeId}/${randomBytes(9).toString('base64url')}`;
    this.revocations = `${prefix}revoked`;
    this.heartbeats = `${prefix}heartbeat:${this.self}`;
    this.reconnects = createBackoff({ ...RECONNECTS, random: options.random ?? Math.random });
    this.nodes = target.addresses;
    void this.dial();
  }

  subscribe(handler: (revocation: Revocation) => void): void {
    this.handlers.push(handler);
  }

  onGap(handler: () => void): void {
    this.gapHandlers.push(handler);
  }

  publish(revocation: Revocation): void {
    const { keys, source, at, refusedUntil } = revocation;
    for (let i = 0; i < keys.length; i += KEYS_PER_MESSAGE) {
      const part = keys.slice(i, i + KEYS_PER_MESSAGE);
      const text = JSON.stringify({ v: 1, from: this.self, source, at, keys: part, refusedUntil });
      this.pending.add({ text, keys: part.length, queuedAt: this.options.monotonic(), sending: false });
      this.pendingKeys += part.length;
    }
    this.flush();
  }

  async close(): Promise<void> {
    if (this.closed) return;
    // A sign-out just before the end still has to be told: the answer to a ping comes after those to what was published.
    const { client } = this;
    if (client !== null && this.connected && this.pending.size > 0) {
      await bounded(client.ping(), ATTEMPT_MS).catch(() => undefined);
    }
    this.closed = true;
    this.drop();
  }

  // --- Sending ----------------------------------------------------------------------------------------------------------

  /** A message leaves the queue when Redis has it. One whose answer is lost goes out twice, which does no harm. */
  private flush(): void {
    this.forgetOld();
    const { client } = this;
    if (client === null || !this.connected) return;
    for (const message of this.pending) {
      if (message.sending) continue;
      message.sending = true;
      client.publish(this.revocations, message.text).then(
        () => this.forget(message),
        (error: unknown) => {
          message.sending = false;
          this.gated.warn({ reason: redisReason(error) }, 'a revocation could not be published; trying again');
        },
      );
    }
  }

  private forget(message: Message): void {
    if (this.pending.delete(message)) this.pendingKeys -= message.keys;
  }

  private forgetOld(): void {
    const oldest = this.options.monotonic() - MAX_PENDING_AGE_MS;
    for (const message of this.pending) {
      if (this.pendingKeys <= MAX_PENDING_KEYS && message.queuedAt >= oldest) return;
      this.forget(message);
      this.gated.warn({}, 'revocations could not be published; other nodes notice when they read the session again');
    }
  }

  // --- The connection ---------------------------------------------------------------------------------------------------

  private async dial(): Promise<void> {
    const address = this.target.kind === 'sentinel' ? null : (this.nodes[this.dials % this.nodes.length] ?? null);
    this.dials += 1;
    const client = dialRedis(this.target, address);
    this.client = client;
    let reason = '';
    client.on('error', (error: Error) => {
      reason = redisReason(error);
    });
    client.on('close', () => this.lost(client, reason));
    client.on('message', (channel: string, text: string) => this.hear(client, channel, text));
    try {
      await bounded(client.connect(), ATTEMPT_MS);
      await client.subscribe(this.revocations, this.heartbeats);
    } catch (error) {
      this.lost(client, reason || redisReason(error));
      return;
    }
    if (client === this.client) this.up(client);
  }

  private up(client: Redis): void {
    if (this.saidLost) this.gated.info({}, 'revocations from other workers are heard again');
    this.connected = true;
    this.saidLost = false;
    this.reconnects.reset();
    this.unanswered = 0;
    const beat = () => this.beat(client);
    this.timer = setInterval(beat, this.options.heartbeatMs ?? HEARTBEAT_MS);
    this.timer.unref();
    for (const handler of this.gapHandlers) handler();
    this.flush();
    if (this.target.kind === 'cluster') void this.learnNodes(client);
  }

  /** Counts what is unanswered, not time: a process that was held up must not take its own delay for a dead connection. */
  private beat(client: Redis): void {
    if (client !== this.client) return;
    if (this.unanswered >= MISSED_HEARTBEATS) {
      this.lost(client, 'nothing is heard on the connection');
      return;
    }
    this.unanswered += 1;
    const failed = (error: unknown) =>
      this.gated.warn({ reason: redisReason(error) }, 'the channel for revocations does not work');
    client.publish(this.heartbeats, '').catch(failed);
    if (this.target.kind === 'cluster') {
      // A node that is cut off from the others still answers: but it hears of nothing.
      client.cluster('INFO').then((info) => {
        if (!String(info).includes('cluster_state:ok')) this.lost(client, 'its node of the Cluster is cut off');
      }, failed);
    }
    this.flush();
  }

  private lost(client: Redis, reason: string): void {
    if (client !== this.client || this.closed) return;
    this.drop();
    if (!this.saidLost) this.gated.warn({ reason }, 'revocations from other workers are not heard now; trying again');
    this.saidLost = true;
    for (const message of this.pending) message.sending = false;
    this.timer = setTimeout(() => void this.dial(), this.reconnects.next());
    this.timer.unref();
  }

  private drop(): void {
    clearTimeout(this.timer);
    this.connected = false;
    const { client } = this;
    this.client = null;
    client?.disconnect();
  }

  private async learnNodes(client: Redis): Promise<void> {
    const slots: unknown = await client.cluster('SLOTS').catch(() => null);
    const found = new Map(this.target.addresses.map((address) => [`${address.host}:${address.port}`, address]));
    for (const range of Array.isArray(slots) ? slots : []) {
      for (const node of Array.isArray(range) ? range.slice(2) : []) {
        const [host, port]: unknown[] = Array.isArray(node) ? node : [];
        if (typeof host === 'string' && host !== '' && typeof port === 'number')
          found.set(`${host}:${port}`, { host, port });
      }
    }
    this.nodes = [...found.values()];
  }

  // --- Hearing ----------------------------------------------------------------------------------------------------------

  private hear(client: Redis, channel: string, text: string): void {
    if (client !== this.client) return;
    if (channel === this.heartbeats) {
      this.unanswered = 0;
      return;
    }
    if (channel !== this.revocations) return;
    const message = parse(text);
    if (message === null) this.gated.warn({}, 'a message on the channel for revocations is malformed; ignored');
    else if (message.from !== this.self) for (const handler of this.handlers) handler(message.revocation);
  }
}

function parse(text: string): { from: string; revocation: Revocation } | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value['v'] !== 1) return null;
  const { from, at, keys, source, refusedUntil } = value;
  if (typeof from !== 'string' || typeof at !== 'number' || !isSource(source)) return null;
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) return null;
  if (refusedUntil !== undefined && typeof refusedUntil !== 'number') return null;
  return { from, revocation: { keys, source, at, ...(refusedUntil !== undefined && { refusedUntil }) } };
}

function isSource(value: unknown): value is RevocationSource {
  return typeof value === 'string' && Object.hasOwn(SOURCES, value);
}
