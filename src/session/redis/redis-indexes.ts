// The indexes of the sessions in Redis: sorted sets of session keys, by when the session ends.
//   <prefix>u:{subject}  <prefix>i:{sid}  <prefix>p:{hash of provider}
//   <prefix>providers    provider name → when its last session ends
//   <prefix>m:{key}      the summary of a session, beside what the index of its subject names; as long as the session
// What an index names in excess does no harm: it is checked against the session itself, and leaves the set when its time is over.
import { createHash } from 'node:crypto';
import type { GatedLog } from '../../infra/log-gate.js';
import type { SealedSession } from '../store.js';
import type { RedisConnection } from './redis-connection.js';
import { isWrongType } from './redis-failure.js';
import type { StoredRecord } from './redis-record.js';
import { runScript } from './redis-script.js';

/** Clocks of nodes differ: an index entry outlives its session by this much before somebody else removes it. */
const PRUNE_MARGIN_MS = 600_000;
/** About so many sessions of an index are looked at together. */
const PAGE = 100;

/** Adds to an index, drops at most 100 entries whose time is long over, and lets the set live as long as its last entry. */
const ADD = `
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then redis.call('DEL', KEYS[1]) end
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2] - ARGV[4], 'LIMIT', 0, 100)
if #old > 0 then redis.call('ZREM', KEYS[1], unpack(old)) end
local had = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ARGV[5] == 'replace' or not had or tonumber(had) < tonumber(ARGV[3]) then
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
end
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return redis.call('PEXPIRE', KEYS[1], math.ceil(last[2] - ARGV[2] + ARGV[4]))`;

export class RedisIndexes {
  private readonly redis: RedisConnection;
  private readonly prefix: string;
  private readonly now: () => number;
  private readonly log: GatedLog;

  constructor(redis: RedisConnection, prefix: string, now: () => number, log: GatedLog) {
    this.redis = redis;
    this.prefix = prefix;
    this.now = now;
    this.log = log;
  }

  /** Names a session in every index that it belongs to. */
  async add({ key, provider, summary }: SealedSession, record: StoredRecord): Promise<void> {
    const ttl = Math.max(1, Math.ceil(record.expiresAt - this.now()));
    await Promise.all([
      this.redis.run('SET', (client) => client.set(this.summaryName(key), Buffer.from(summary), 'PX', ttl)),
      ...this.of(record).map((index) => this.addTo(index, key, record.expiresAt, 'replace')),
      this.addTo(this.providers, provider, record.expiresAt, 'latest'),
    ]);
  }

  private async addTo(index: string, member: string, expiresAt: number, mode: 'replace' | 'latest'): Promise<void> {
    await runScript(this.redis, ADD, index, [member, this.now(), expiresAt, PRUNE_MARGIN_MS, mode].map(String));
  }

  /** Takes a session out of the indexes of `record`, except those that `kept` is in; without `kept` its summary goes too. */
  async remove(key: string, record: StoredRecord, kept: StoredRecord | null): Promise<void> {
    const keep = kept === null ? [] : this.of(kept);
    await Promise.all([
      ...(kept === null ? [this.redis.run('DEL', (client) => client.del(this.summaryName(key)))] : []),
      ...this.of(record)
        .filter((index) => !keep.includes(index))
        .map((index) => this.drop(index, key)),
    ]);
  }

  /** Of what an index names, what ends last, at most so many. */
  async latest(index: string, most: number): Promise<{ readonly key: string; readonly expiresAt: number }[]> {
    let items: string[];
    try {
      items = await this.redis.run('ZREVRANGEBYSCORE', (client) =>
        client.zrevrangebyscore(index, '+inf', `(${this.now()}`, 'WITHSCORES', 'LIMIT', 0, most),
      );
    } catch (error) {
      if (!isWrongType(error)) throw error;
      return [];
    }
    return items.flatMap((key, i) => (i % 2 === 0 ? [{ key, expiresAt: Number(items[i + 1]) }] : []));
  }

  /** Null without one. */
  async summary(key: string): Promise<Uint8Array | null> {
    try {
      return await this.redis.run('GET', (client) => client.getBuffer(this.summaryName(key)));
    } catch (error) {
      if (!isWrongType(error)) throw error;
      return null;
    }
  }

  /** Every key that an index names, each once. */
  async keys(index: string): Promise<string[]> {
    const keys = new Set<string>();
    for (let cursor = '0', more = true; more; more = cursor !== '0') {
      const page = await this.page(index, cursor);
      cursor = page.cursor;
      for (const key of page.keys) keys.add(key);
    }
    return [...keys];
  }

  /** Some of the keys that an index names, from a cursor on: '0' is where it begins and ends. */
  async page(index: string, from: string): Promise<{ cursor: string; keys: string[] }> {
    try {
      const [cursor, items] = await this.redis.run('ZSCAN', (client) => client.zscan(index, from, 'COUNT', PAGE));
      return { cursor, keys: [...new Set(items.filter((_, i) => i % 2 === 0))] };
    } catch (error) {
      if (!isWrongType(error)) throw error;
      this.log.warn({}, 'an index of sessions in Redis is damaged or foreign; removed');
      await this.redis.run('DEL', (client) => client.del(index));
      return { cursor: '0', keys: [] };
    }
  }

  /** Live sessions of an application. */
  async countOf(provider: string): Promise<number> {
    const index = this.provider(providerHash(provider));
    return this.redis.run('ZCOUNT', (client) => client.zcount(index, `(${this.now()}`, '+inf'));
  }

  /** The names of applications that have sessions. */
  async listProviders(): Promise<string[]> {
    return this.redis.run('ZRANGEBYSCORE', (client) => client.zrangebyscore(this.providers, `(${this.now()}`, '+inf'));
  }

  async drop(index: string, key: string): Promise<void> {
    try {
      await this.redis.run('ZREM', (client) => client.zrem(index, key));
    } catch (error) {
      if (!isWrongType(error)) throw error;
    }
  }

  subject(subject: string): string {
    return `${this.prefix}u:{${subject}}`;
  }

  sid(sid: string): string {
    return `${this.prefix}i:{${sid}}`;
  }

  provider(hash: string): string {
    return `${this.prefix}p:{${hash}}`;
  }

  private summaryName(key: string): string {
    return `${this.prefix}m:{${key}}`;
  }

  private of(record: StoredRecord): string[] {
    const indexes = [this.subject(record.subject), this.provider(record.provider)];
    if (record.sid !== '') indexes.push(this.sid(record.sid));
    return indexes;
  }

  private get providers(): string {
    return `${this.prefix}providers`;
  }
}

export function providerHash(name: string): string {
  return createHash('sha256').update(name).digest('base64url');
}
