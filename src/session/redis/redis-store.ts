// The SessionStore for several hosts. Every operation touches one key (so a Cluster will do) and every key has a TTL.
//   <prefix>s:{key}      a session (redis-record.ts)
//   <prefix>u:{subject}  <prefix>i:{sid}  <prefix>p:{hash of provider}   sorted sets: session key → when it ends
//   <prefix>providers    sorted set: provider name → when its last session ends
//   <prefix>l:{hash}     a lease: its token
// The indexes are written before the session: whoever ends a subject finds every session that exists. What an index names in
// excess does no harm: it is checked against the session itself, and leaves the set when its time is over.
import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { Cluster, Redis } from 'ioredis';
import type { Logger } from 'pino';
import { AkproxError } from '../../infra/errors.js';
import { createGatedLog, type GatedLog } from '../../infra/log-gate.js';
import type { LeaseStore } from '../lease.js';
import type { SealedSession, SessionStore, StoreStats } from '../store.js';
import { connectRedis, type RedisConnection, RedisFailure } from './redis-connection.js';
import type { RedisStoreConfig } from './redis-options.js';
import { decodeRecord, encodeRecord, MAX_TEXT_BYTES, type StoredRecord } from './redis-record.js';

export interface RedisSessionStore extends SessionStore {
  readonly leases: LeaseStore;
}

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

/** Deletes a key that still holds what it is compared with. */
const RELEASE = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

export async function openRedisStore(
  config: RedisStoreConfig,
  options: { readonly now: () => number; readonly log: Logger },
): Promise<RedisSessionStore> {
  const connection = connectRedis(config, { log: options.log });
  try {
    await connection.probe();
  } catch (error) {
    await connection.close();
    throw error;
  }
  return new RedisStore(
    connection,
    config.prefix,
    options.now,
    createGatedLog(options.log, () => performance.now()),
  );
}

class RedisStore implements RedisSessionStore {
  private readonly redis: RedisConnection;
  private readonly prefix: string;
  private readonly now: () => number;
  private readonly log: GatedLog;
  readonly leases: LeaseStore;

  constructor(redis: RedisConnection, prefix: string, now: () => number, log: GatedLog) {
    this.redis = redis;
    this.prefix = prefix;
    this.now = now;
    this.log = log;
    this.leases = redisLeases(redis, prefix);
  }

  async get(key: string): Promise<Uint8Array | null> {
    const record = await this.read(key);
    return record !== null && record.expiresAt > this.now() ? record.value : null;
  }

  async put(session: SealedSession): Promise<void> {
    checkSession(session);
    const record = recordOf(session);
    const [before] = await Promise.all([this.read(session.key), this.index(session.key, record, session.provider)]);
    await this.write(session.key, record, false);
    if (before !== null) await this.unindex(session.key, before, record);
  }

  async replace(session: SealedSession): Promise<boolean> {
    checkSession(session);
    const before = await this.read(session.key);
    if (before === null || before.expiresAt <= this.now()) return false;
    const record = recordOf(session);
    await this.index(session.key, record, session.provider);
    const replaced = await this.write(session.key, record, true);
    if (replaced) await this.unindex(session.key, before, record);
    // Ended meanwhile. Ids are never used twice, so nobody else can have put this key.
    else await this.unindex(session.key, record, null);
    return replaced;
  }

  async delete(key: string): Promise<boolean> {
    const record = await this.read(key);
    if (record === null) return false;
    const removed = await this.removeValue(key);
    await this.unindex(key, record, null);
    return removed && record.expiresAt > this.now();
  }

  async listSubject(subject: string): Promise<string[]> {
    return this.list(this.subjectIndex(subject));
  }

  async listSid(sid: string): Promise<string[]> {
    return sid === '' ? [] : this.list(this.sidIndex(sid));
  }

  private async list(index: string): Promise<string[]> {
    const keys = new Set<string>();
    for (let cursor = '0', more = true; more; more = cursor !== '0') {
      const page = await this.page(index, cursor);
      cursor = page.cursor;
      for (const key of page.keys) keys.add(key);
    }
    return [...keys];
  }

  deleteSubject(subject: string): Promise<string[]> {
    return this.removeAll(this.subjectIndex(subject), (record) => record.subject === subject);
  }

  async deleteSid(sid: string): Promise<string[]> {
    return sid === '' ? [] : this.removeAll(this.sidIndex(sid), (record) => record.sid === sid);
  }

  deleteProvider(provider: string): Promise<string[]> {
    const hash = providerHash(provider);
    return this.removeAll(this.providerIndex(hash), (record) => record.provider === hash);
  }

  async stats(): Promise<StoreStats> {
    const from = this.now();
    const count = (index: string, floor: number) =>
      this.redis.run('ZCOUNT', (client) => client.zcount(index, `(${floor}`, '+inf'));
    const names = await this.redis.run('ZRANGEBYSCORE', (client) =>
      client.zrangebyscore(this.providers, `(${from}`, '+inf'),
    );
    const sessions: Record<string, number> = {};
    for (const name of names) {
      const live = await count(this.providerIndex(providerHash(name)), from);
      if (live > 0) sessions[name] = live;
    }
    return { sessions };
  }

  /** Redis expires by itself. */
  async sweep(): Promise<number> {
    return 0;
  }

  close(): Promise<void> {
    return this.redis.close();
  }

  // --- One session ------------------------------------------------------------------------------------------------------

  /** One command. What cannot be read as a session is removed and is none. */
  private async read(key: string): Promise<StoredRecord | null> {
    const name = this.sessionName(key);
    let bytes: Buffer | null;
    try {
      bytes = await this.redis.run('GET', (client) => client.getBuffer(name));
    } catch (error) {
      if (!isWrongType(error)) throw error;
      bytes = Buffer.alloc(0);
    }
    if (bytes === null) return null;
    const record = decodeRecord(bytes);
    if (record !== null) return record;
    this.log.warn({}, 'a session in Redis is damaged or foreign; removed');
    await this.removeValue(key);
    return null;
  }

  /** `onlyIfThere`: atomically, so that a session that was ended meanwhile does not come back. */
  private async write(key: string, record: StoredRecord, onlyIfThere: boolean): Promise<boolean> {
    const name = this.sessionName(key);
    const ttl = Math.ceil(record.expiresAt - this.now());
    if (ttl <= 0) return this.removeValue(key);
    const bytes = encodeRecord(record);
    if (!onlyIfThere) {
      await this.redis.run('SET', (client) => client.set(name, bytes, 'PX', ttl));
      return true;
    }
    return (await this.redis.run('SET', (client) => client.set(name, bytes, 'PX', ttl, 'XX'))) !== null;
  }

  private async removeValue(key: string): Promise<boolean> {
    let asked = 0;
    const count = await this.redis.run('DEL', (client) => {
      asked += 1;
      return client.del(this.sessionName(key));
    });
    // The first answer was lost: it may have been deleted then. To tell of one too many does no harm.
    return count === 1 || asked > 1;
  }

  // --- Indexes ----------------------------------------------------------------------------------------------------------

  private async index(key: string, record: StoredRecord, provider: string): Promise<void> {
    await Promise.all([
      ...this.indexesOf(record).map((index) => this.add(index, key, record.expiresAt, 'replace')),
      this.add(this.providers, provider, record.expiresAt, 'latest'),
    ]);
  }

  private async add(index: string, member: string, expiresAt: number, mode: 'replace' | 'latest'): Promise<void> {
    await script(this.redis, ADD, index, [member, this.now(), expiresAt, PRUNE_MARGIN_MS, mode].map(String));
  }

  /** Takes a session out of the indexes of `record`, except those that `kept` is in. */
  private async unindex(key: string, record: StoredRecord, kept: StoredRecord | null): Promise<void> {
    const keep = kept === null ? [] : this.indexesOf(kept);
    await Promise.all(
      this.indexesOf(record)
        .filter((index) => !keep.includes(index))
        .map((index) => this.drop(index, key)),
    );
  }

  /**
   * Ends what an index names, a page at a time, until a whole pass finds nothing more: a fail-over or a moving slot may upset a
   * cursor. An entry without a session stays: its session may be about to be written, and has to be found the next time.
   */
  private async removeAll(index: string, belongs: (record: StoredRecord) => boolean): Promise<string[]> {
    const removed = new Set<string>();
    for (let before = -1; before < removed.size; ) {
      before = removed.size;
      for (let cursor = '0', more = true; more; more = cursor !== '0') {
        const page = await this.page(index, cursor);
        cursor = page.cursor;
        const outcomes = await Promise.all(page.keys.map((key) => this.removeOne(index, key, belongs)));
        for (const [i, key] of page.keys.entries()) if (outcomes[i]) removed.add(key);
      }
    }
    return [...removed];
  }

  private async page(index: string, from: string): Promise<{ cursor: string; keys: string[] }> {
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

  private async removeOne(index: string, key: string, belongs: (record: StoredRecord) => boolean): Promise<boolean> {
    const record = await this.read(key);
    if (record === null) return false;
    if (!belongs(record)) {
      await this.drop(index, key);
      return false;
    }
    const removed = await this.removeValue(key);
    await this.unindex(key, record, null);
    return removed;
  }

  private async drop(index: string, key: string): Promise<void> {
    try {
      await this.redis.run('ZREM', (client) => client.zrem(index, key));
    } catch (error) {
      if (!isWrongType(error)) throw error;
    }
  }

  // --- Names ------------------------------------------------------------------------------------------------------------

  private get providers(): string {
    return `${this.prefix}providers`;
  }

  private sessionName(key: string): string {
    return `${this.prefix}s:{${key}}`;
  }

  private subjectIndex(subject: string): string {
    return `${this.prefix}u:{${subject}}`;
  }

  private sidIndex(sid: string): string {
    return `${this.prefix}i:{${sid}}`;
  }

  private providerIndex(hash: string): string {
    return `${this.prefix}p:{${hash}}`;
  }

  private indexesOf(record: StoredRecord): string[] {
    const indexes = [this.subjectIndex(record.subject), this.providerIndex(record.provider)];
    if (record.sid !== '') indexes.push(this.sidIndex(record.sid));
    return indexes;
  }
}

function redisLeases(redis: RedisConnection, prefix: string): LeaseStore {
  const nameOf = (name: string) => `${prefix}l:{${createHash('sha256').update(name).digest('base64url')}}`;
  return {
    async acquire(name, ttlMs, token) {
      let asked = 0;
      const answer = await redis.run('SET', (client) => {
        asked += 1;
        return client.set(nameOf(name), token, 'PX', Math.ceil(ttlMs), 'NX');
      });
      if (answer !== null) return true;
      // The first answer was lost: it may be ours already.
      return asked > 1 && (await redis.run('GET', (client) => client.get(nameOf(name)))) === token;
    },
    async isHeld(name) {
      return (await redis.run('EXISTS', (client) => client.exists(nameOf(name)))) === 1;
    },
    async release(name, token) {
      return (await script(redis, RELEASE, nameOf(name), [token])) === 1;
    },
  };
}

/** By its hash; in full when the server does not know it yet, as after a restart or a fail-over. */
async function script(redis: RedisConnection, source: string, key: string, args: readonly string[]): Promise<unknown> {
  const hash = createHash('sha1').update(source).digest('hex');
  const short = (client: Redis | Cluster) => client.evalsha(hash, 1, key, ...args);
  try {
    return await redis.run('EVALSHA', short);
  } catch (error) {
    if (!(error instanceof RedisFailure) || error.reply !== 'NOSCRIPT') throw error;
    return redis.run('EVAL', (client) => client.eval(source, 1, key, ...args));
  }
}

function isWrongType(error: unknown): boolean {
  return error instanceof RedisFailure && error.reply === 'WRONGTYPE';
}

function recordOf(session: SealedSession): StoredRecord {
  return { ...session, provider: providerHash(session.provider) };
}

function providerHash(name: string): string {
  return createHash('sha256').update(name).digest('base64url');
}

function checkSession(session: SealedSession): void {
  for (const name of ['key', 'subject', 'sid'] as const) {
    if ((session[name] === '' && name !== 'sid') || Buffer.byteLength(session[name]) > MAX_TEXT_BYTES) {
      throw new AkproxError('internal', `a session's ${name} is empty or too long`);
    }
  }
  if (!Number.isFinite(session.expiresAt)) throw new AkproxError('internal', "a session's expiresAt is not a number");
}
