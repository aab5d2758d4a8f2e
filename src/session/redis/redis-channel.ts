// Revocations from every worker of every node to every other, over Redis pub/sub. Pub/sub forgets who does not listen: so a channel
// knows when it may have missed something, and says so (`onGap`) once it is connected again; what a cache learnt before that
// cannot be trusted any more. Each worker has a channel, and a channel one connection, for both directions.
import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { type Backoff, createBackoff } from '../../infra/backoff.js';
import type { HostPort } from '../../infra/host-port.js';
import { createGatedLog, type GatedLog } from '../../infra/log-gate.js';
import type { Revocation, SharedChannel } from '../revocation.js';
import { bounded, connectOnce } from './redis-client.js';
import { redisReason } from './redis-failure.js';
import { decodeRevocation, encodeRevocation } from './redis-message.js';
import { RECONNECTS, type RedisStoreConfig, type RedisTarget, redisTarget } from './redis-options.js';

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
/** While Redis is away, this much waits. Older ones have ended in every cache by themselves: see `cache.stale_max`. */
const MAX_PENDING_KEYS = 100_000;
const MAX_PENDING_AGE_MS = 600_000;

interface Message {
  readonly text: string;
  readonly keys: number;
  readonly queuedAt: number;
  sending: boolean;
}

export function openRedisChannel(config: RedisStoreConfig, options: RedisChannelOptions): SharedChannel {
  return new Channel(redisTarget(config), config.prefix, options);
}

class Channel implements SharedChannel {
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
  private attempts = 0;
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
    void this.connect();
  }

  subscribe(handler: (revocation: Revocation) => void): void {
    this.handlers.push(handler);
  }

  onGap(handler: () => void): void {
    this.gapHandlers.push(handler);
  }

  publish(revocation: Revocation): void {
    for (const message of encodeRevocation(revocation, this.self)) {
      this.pending.add({ ...message, queuedAt: this.options.monotonic(), sending: false });
      this.pendingKeys += message.keys;
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
    this.disconnect();
  }

  // --- Sending ----------------------------------------------------------------------------------------------------------

  /** A message leaves the queue when Redis has it. One whose answer is lost goes out twice, which does no harm. */
  private flush(): void {
    this.dropOld();
    const { client } = this;
    if (client === null || !this.connected) return;
    for (const message of this.pending) {
      if (message.sending) continue;
      message.sending = true;
      client.publish(this.revocations, message.text).then(
        () => this.remove(message),
        (error: unknown) => {
          message.sending = false;
          this.gated.warn({ reason: redisReason(error) }, 'revocation not published; trying again');
        },
      );
    }
  }

  private remove(message: Message): void {
    if (this.pending.delete(message)) this.pendingKeys -= message.keys;
  }

  private dropOld(): void {
    const oldest = this.options.monotonic() - MAX_PENDING_AGE_MS;
    for (const message of this.pending) {
      if (this.pendingKeys <= MAX_PENDING_KEYS && message.queuedAt >= oldest) return;
      this.remove(message);
      this.gated.warn(
        {},
        'revocations dropped: Redis was away for too long; other nodes notice when they read the session again',
      );
    }
  }

  // --- The connection ---------------------------------------------------------------------------------------------------

  private async connect(): Promise<void> {
    const address = this.target.kind === 'sentinel' ? null : (this.nodes[this.attempts % this.nodes.length] ?? null);
    this.attempts += 1;
    const client = connectOnce(this.target, address);
    this.client = client;
    let reason = '';
    client.on('error', (error: Error) => {
      reason = redisReason(error);
    });
    client.on('close', () => this.onLost(client, reason));
    client.on('message', (channel: string, text: string) => this.receive(client, channel, text));
    try {
      await bounded(client.connect(), ATTEMPT_MS);
      await client.subscribe(this.revocations, this.heartbeats);
    } catch (error) {
      this.onLost(client, reason || redisReason(error));
      return;
    }
    if (client === this.client) this.onConnected(client);
  }

  private onConnected(client: Redis): void {
    if (this.saidLost) this.gated.info({}, 'revocation channel connected again');
    this.connected = true;
    this.saidLost = false;
    this.reconnects.reset();
    this.unanswered = 0;
    const heartbeat = () => this.heartbeat(client);
    this.timer = setInterval(heartbeat, this.options.heartbeatMs ?? HEARTBEAT_MS);
    this.timer.unref();
    for (const handler of this.gapHandlers) handler();
    this.flush();
    if (this.target.kind === 'cluster') void this.learnNodes(client);
  }

  /** Counts what is unanswered, not time: a process that was held up must not take its own delay for a dead connection. */
  private heartbeat(client: Redis): void {
    if (client !== this.client) return;
    if (this.unanswered >= MISSED_HEARTBEATS) {
      this.onLost(client, 'no answer on the connection');
      return;
    }
    this.unanswered += 1;
    const failed = (error: unknown) =>
      this.gated.warn({ reason: redisReason(error) }, 'revocation channel: heartbeat failed');
    client.publish(this.heartbeats, '').catch(failed);
    if (this.target.kind === 'cluster') {
      // A node that is cut off from the others still answers, but nothing reaches it.
      client.cluster('INFO').then((info) => {
        if (!String(info).includes('cluster_state:ok')) this.onLost(client, 'its node of the Cluster is cut off');
      }, failed);
    }
    this.flush();
  }

  private onLost(client: Redis, reason: string): void {
    if (client !== this.client || this.closed) return;
    this.disconnect();
    if (!this.saidLost) this.gated.warn({ reason }, 'revocation channel lost; reconnecting');
    this.saidLost = true;
    for (const message of this.pending) message.sending = false;
    this.timer = setTimeout(() => void this.connect(), this.reconnects.next());
    this.timer.unref();
  }

  private disconnect(): void {
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

  // --- Receiving ---------------------------------------------------------------------------------------------------------

  private receive(client: Redis, channel: string, text: string): void {
    if (client !== this.client) return;
    if (channel === this.heartbeats) {
      this.unanswered = 0;
      return;
    }
    if (channel !== this.revocations) return;
    const message = decodeRevocation(text);
    if (message === null) this.gated.warn({}, 'revocation channel: malformed message ignored');
    else if (message.from !== this.self) for (const handler of this.handlers) handler(message.revocation);
  }
}
