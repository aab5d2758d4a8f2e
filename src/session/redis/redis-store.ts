// The SessionStore for several hosts. Every operation touches one key (so a Cluster will do) and every key has a TTL.
//   <prefix>s:{key}      a session (redis-record.ts)
//   and its indexes (redis-indexes.ts), leases (redis-leases.ts) and shared values (redis-values.ts)
// The indexes are written before the session: whoever ends a subject finds every session that exists.
import { performance } from 'node:perf_hooks';
import type { Logger } from 'pino';
import { AkproxError } from '../../infra/errors.js';
import { createGatedLog, type GatedLog } from '../../infra/log-gate.js';
import type { LeaseStore } from '../lease.js';
import type { SharedValues } from '../shared-values.js';
import type { ListedSession, SealedSession, SessionStore, StoreStats } from '../store.js';
import { connectRedis, type RedisConnection } from './redis-connection.js';
import { isWrongType } from './redis-failure.js';
import { providerHash, RedisIndexes } from './redis-indexes.js';
import { createRedisLeases } from './redis-leases.js';
import type { RedisStoreConfig } from './redis-options.js';
import { RedisReads } from './redis-reads.js';
import { decodeRecord, encodeRecord, expiryOf, MAX_TEXT_BYTES, type StoredRecord, sealedIn } from './redis-record.js';
import { createRedisValues } from './redis-values.js';

export interface RedisSessionStore extends SessionStore {
  readonly leases: LeaseStore;
}

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
  private readonly reads: RedisReads;
  private readonly indexes: RedisIndexes;
  readonly leases: LeaseStore;
  readonly values: SharedValues;

  constructor(redis: RedisConnection, prefix: string, now: () => number, log: GatedLog) {
    this.redis = redis;
    this.prefix = prefix;
    this.now = now;
    this.log = log;
    this.reads = new RedisReads(redis);
    this.indexes = new RedisIndexes(redis, prefix, now, log);
    this.leases = createRedisLeases(redis, prefix);
    this.values = createRedisValues(redis, prefix, now);
  }

  /** One promise more than the command's: this is what a check that is not cached waits for. */
  get(key: string): Promise<Uint8Array | null> {
    return this.reads.get(this.sessionName(key)).then(
      (bytes) => {
        if (bytes === null) return null;
        const sealed = sealedIn(bytes);
        if (sealed === null) return this.removeDamaged(key);
        return expiryOf(bytes) > this.now() ? sealed : null;
      },
      (error: unknown) => {
        if (!isWrongType(error)) throw error;
        return this.removeDamaged(key);
      },
    );
  }

  async put(session: SealedSession): Promise<void> {
    checkSession(session);
    const record = recordOf(session);
    const [before] = await Promise.all([this.read(session.key), this.indexes.add(session, record)]);
    await this.write(session.key, record, false);
    if (before !== null) await this.indexes.remove(session.key, before, record);
  }

  async replace(session: SealedSession): Promise<boolean> {
    checkSession(session);
    const before = await this.read(session.key);
    if (before === null || before.expiresAt <= this.now()) return false;
    const record = recordOf(session);
    await this.indexes.add(session, record);
    const replaced = await this.write(session.key, record, true);
    if (replaced) await this.indexes.remove(session.key, before, record);
    // Ended meanwhile. Ids are never used twice, so nobody else can have put this key.
    else await this.indexes.remove(session.key, record, null);
    return replaced;
  }

  async delete(key: string): Promise<boolean> {
    const record = await this.read(key);
    if (record === null) return false;
    const removed = await this.removeValue(key);
    await this.indexes.remove(key, record, null);
    return removed && record.expiresAt > this.now();
  }

  async listSubject(subject: string): Promise<string[]> {
    return this.indexes.keys(this.indexes.subject(subject));
  }

  async listSummaries(subject: string, most: number): Promise<ListedSession[]> {
    const entries = await this.indexes.latest(this.indexes.subject(subject), most);
    const listed = await Promise.all(
      entries.map(async ({ key, expiresAt }) => {
        const [isThere, summary] = await Promise.all([
          this.redis.run('EXISTS', (client) => client.exists(this.sessionName(key))),
          this.indexes.summary(key),
        ]);
        return isThere === 1 ? { key, expiresAt, summary } : null;
      }),
    );
    return listed.filter((one) => one !== null);
  }

  async listSid(sid: string): Promise<string[]> {
    return sid === '' ? [] : this.indexes.keys(this.indexes.sid(sid));
  }

  async subjectOf(key: string): Promise<string> {
    return (await this.read(key))?.subject ?? '';
  }

  deleteSubject(subject: string): Promise<string[]> {
    return this.removeAll(this.indexes.subject(subject), (record) => record.subject === subject);
  }

  async deleteSid(sid: string): Promise<string[]> {
    return sid === '' ? [] : this.removeAll(this.indexes.sid(sid), (record) => record.sid === sid);
  }

  deleteProvider(provider: string): Promise<string[]> {
    const hash = providerHash(provider);
    return this.removeAll(this.indexes.provider(hash), (record) => record.provider === hash);
  }

  async stats(): Promise<StoreStats> {
    const sessions: Record<string, number> = {};
    for (const name of await this.indexes.listProviders()) {
      const live = await this.indexes.countOf(name);
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
    return record ?? this.removeDamaged(key);
  }

  private async removeDamaged(key: string): Promise<null> {
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

  /**
   * Ends what an index names, a page at a time, until a whole pass finds nothing more: a fail-over or a moving slot may upset a
   * cursor. An entry without a session stays: its session may be about to be written, and has to be found the next time.
   */
  private async removeAll(index: string, belongs: (record: StoredRecord) => boolean): Promise<string[]> {
    const removed = new Set<string>();
    for (let before = -1; before < removed.size; ) {
      before = removed.size;
      for (let cursor = '0', more = true; more; more = cursor !== '0') {
        const page = await this.indexes.page(index, cursor);
        cursor = page.cursor;
        const outcomes = await Promise.all(page.keys.map((key) => this.removeOne(index, key, belongs)));
        for (const [i, key] of page.keys.entries()) if (outcomes[i]) removed.add(key);
      }
    }
    return [...removed];
  }

  private async removeOne(index: string, key: string, belongs: (record: StoredRecord) => boolean): Promise<boolean> {
    const record = await this.read(key);
    if (record === null) return false;
    if (!belongs(record)) {
      await this.indexes.drop(index, key);
      return false;
    }
    const removed = await this.removeValue(key);
    await this.indexes.remove(key, record, null);
    return removed;
  }

  private sessionName(key: string): string {
    return `${this.prefix}s:{${key}}`;
  }
}

function recordOf(session: SealedSession): StoredRecord {
  const { expiresAt, subject, sid, value } = session;
  return { expiresAt, subject, sid, provider: providerHash(session.provider), value };
}

function checkSession(session: SealedSession): void {
  for (const name of ['key', 'subject', 'sid'] as const) {
    if ((session[name] === '' && name !== 'sid') || Buffer.byteLength(session[name]) > MAX_TEXT_BYTES) {
      throw new AkproxError('internal', `a session's ${name} is empty or too long`);
    }
  }
  if (!Number.isFinite(session.expiresAt)) throw new AkproxError('internal', "a session's expiresAt is not a number");
}
