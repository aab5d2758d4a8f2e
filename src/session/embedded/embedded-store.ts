// The embedded SessionStore: one LMDB environment in a directory, shared by every worker of one host.
// Nothing is cached in the process: each read opens a fresh snapshot, so a session that one worker ends is gone for all.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { open, type RootDatabase } from 'lmdb';
import { AkproxError, explain } from '../../infra/errors.js';
import type { ListedSession, SealedSession, SessionStore, StoreStats } from '../store.js';
import { EmbeddedLeases } from './embedded-leases.js';
import { EmbeddedValues } from './embedded-values.js';
import { LengthGuard, lmdbFileOf, prepareDirectory, unusable, verifyDataFile } from './lmdb-file.js';
import { checkNames, expiryKey, expiryOf, parseOwner, readCount, sealedValueOf } from './lmdb-records.js';
import { after, FULL, openTables, rangeOf, SessionTables, type Table, type Tables } from './session-tables.js';
import { WriteQueue } from './write-queue.js';

/** Entries of an index that are read in one turn of the event loop. */
const PAGE = 500;

export interface EmbeddedStoreOptions {
  readonly path: string;
  readonly maxBytes: number;
  /** Unix milliseconds. */
  readonly now: () => number;
}

export async function openEmbeddedStore(options: EmbeddedStoreOptions): Promise<SessionStore> {
  const { path } = options;
  prepareDirectory(path);
  await verifyDataFile(path);
  try {
    // overlappingSync off = LMDB's classic commit: data pages, fdatasync, then the meta page through O_DSYNC, and only then
    // the promise resolves. Pages in use are never overwritten, so neither kill -9 nor a power cut can lose an acknowledged
    // write or tear the file. noMemInit stays off: no heap content reaches the disk.
    const environment = {
      path,
      noSubdir: false,
      overlappingSync: false,
      // We make batches ourselves; lmdb-js' own come with a promise of which nobody hears when a commit fails.
      eventTurnBatching: false,
      permissionsMode: 0o600,
      cache: false,
      maxDbs: 16,
      maxReaders: 512,
    };
    const root: RootDatabase<Buffer, Buffer> = open<Buffer, Buffer>(environment);
    return new EmbeddedStore(root, new LengthGuard(lmdbFileOf(path)), options);
  } catch (error) {
    throw unusable(path, `cannot be opened (${explain(error)})`, error);
  }
}

class EmbeddedStore implements SessionStore {
  readonly leases: EmbeddedLeases;
  readonly values: EmbeddedValues;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #tables: Tables;
  readonly #sessions: SessionTables;
  readonly #queue: WriteQueue;
  readonly #guard: LengthGuard;
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #now: () => number;
  #closed = false;

  constructor(root: RootDatabase<Buffer, Buffer>, guard: LengthGuard, { path, maxBytes, now }: EmbeddedStoreOptions) {
    this.#root = root;
    this.#guard = guard;
    this.#path = path;
    this.#maxBytes = maxBytes;
    this.#now = now;
    this.#tables = openTables(root);
    this.#sessions = new SessionTables(root, this.#tables, maxBytes, now);
    this.#queue = new WriteQueue((work) => this.#transaction(work), this.#sessions.batch);
    const access = {
      now,
      read: <T>(action: () => T) => this.#read(action),
      write: <T>(action: () => T, touched?: number) => this.#write(action, touched),
    };
    this.leases = new EmbeddedLeases({ table: this.#tables.leases, ...access });
    this.values = new EmbeddedValues({ table: this.#tables.values, ...access });
  }

  async get(key: string): Promise<Uint8Array | null> {
    const record = this.#read(() => this.#tables.sessions.get(Buffer.from(key)));
    if (record === undefined) return null;
    const expiry = expiryOf(record);
    if (expiry === null) {
      await this.#write(() => this.#sessions.liveOrGone(key)).catch(() => undefined); // absent either way
      return null;
    }
    return this.#now() >= expiry ? null : sealedValueOf(record);
  }

  async put(session: SealedSession): Promise<void> {
    await this.#store(session, false);
  }

  async replace(session: SealedSession): Promise<boolean> {
    return this.#store(session, true);
  }

  async delete(key: string): Promise<boolean> {
    return this.#write(() => this.#sessions.remove(key));
  }

  async listSubject(subject: string): Promise<string[]> {
    return this.#list(this.#tables.bySubject, subject);
  }

  async listSummaries(subject: string, most: number): Promise<ListedSession[]> {
    return this.#read(() => this.#sessions.summaries(subject, most));
  }

  async listSid(sid: string): Promise<string[]> {
    return sid === '' ? [] : this.#list(this.#tables.bySid, sid);
  }

  async subjectOf(key: string): Promise<string> {
    return this.#read(() => {
      const record = this.#tables.sessions.get(Buffer.from(key));
      const expiry = record === undefined ? null : expiryOf(record);
      const owner = expiry === null ? undefined : this.#tables.byExpiry.get(expiryKey(expiry, key));
      return owner === undefined ? '' : parseOwner(owner).subject;
    });
  }

  async deleteSubject(subject: string): Promise<string[]> {
    return this.#removeAll(this.#tables.bySubject, subject);
  }

  async deleteSid(sid: string): Promise<string[]> {
    return sid === '' ? [] : this.#removeAll(this.#tables.bySid, sid);
  }

  async deleteProvider(provider: string): Promise<string[]> {
    return this.#removeAll(this.#tables.byProvider, provider);
  }

  async stats(): Promise<StoreStats> {
    const entries = this.#read(() => [...this.#tables.counts.getRange({})]);
    return { sessions: Object.fromEntries(entries.map(({ key, value }) => [key.toString(), readCount(value)])) };
  }

  async sweep(): Promise<number> {
    // Whoever sweeps goes through pages that nobody has looked at for long.
    await this.#verify();
    const removed = await this.#sweepSessions();
    await this.leases.sweep();
    await this.values.sweep();
    return removed;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#queue.close(() => this.#root.close());
    this.#guard.close();
  }

  async #list(index: Table, hash: string): Promise<string[]> {
    const { start: first, end, keyOf } = rangeOf(hash);
    const keys: string[] = [];
    for (let start = first; ; ) {
      const page = this.#read(() => [...index.getRange({ start, end, limit: PAGE })]);
      for (const { key } of page) keys.push(keyOf(key));
      const last = page[PAGE - 1]?.key;
      if (last === undefined) return keys;
      start = after(last);
      await nextTurn();
    }
  }

  async #removeAll(index: Table, hash: string): Promise<string[]> {
    const all: string[] = [];
    for (;;) {
      const { removed, more } = await this.#write(() => this.#sessions.removeSome(index, hash), this.#sessions.batch);
      all.push(...removed);
      if (!more) return all;
    }
  }

  async #store(session: SealedSession, onlyIfThere: boolean): Promise<boolean> {
    checkNames(session);
    const attempt = () => this.#write(() => this.#sessions.put(session, onlyIfThere));
    let outcome = await attempt();
    if (outcome === FULL) {
      await this.#sweepSessions();
      outcome = await attempt();
    }
    if (outcome === FULL) {
      throw new AkproxError(
        'store_unavailable',
        `the embedded store is full (store.max_bytes is ${this.#maxBytes}): raise it, or shorten session.lifetime`,
      );
    }
    return outcome;
  }

  async #sweepSessions(): Promise<number> {
    // A worker that was killed in the middle of a read leaves a reader slot that pins old pages: free it.
    this.#read(() => this.#root.readerCheck());
    const { batch } = this.#sessions;
    let removed = 0;
    // Looking first costs no write lock: with several workers most sweeps find nothing.
    while (this.#read(() => this.#sessions.expired(1)).length > 0)
      removed += await this.#write(() => this.#sessions.sweep(batch), batch);
    return removed;
  }

  async #verify(): Promise<void> {
    if (this.#closed) return;
    await verifyDataFile(this.#path).catch((error: unknown) => {
      throw new AkproxError('store_unavailable', 'the embedded store cannot be used', error);
    });
  }

  #read<T>(action: () => T): T {
    if (this.#closed) throw new AkproxError('store_unavailable', 'the embedded store is closed');
    try {
      this.#guard.check();
      this.#root.resetReadTxn(); // lmdb-js keeps a snapshot for an event turn; another process may have committed since
      return action();
    } catch (error) {
      throw new AkproxError('store_unavailable', 'the embedded store cannot be read', error);
    }
  }

  #write<T>(action: () => T, sessions = 1): Promise<T> {
    if (this.#closed) return Promise.reject(new AkproxError('store_unavailable', 'the embedded store is closed'));
    return this.#queue.write(action, sessions);
  }

  async #transaction(work: () => void): Promise<void> {
    this.#guard.check();
    await this.#root.transaction(() => {
      // It may have waited for the lock of another process.
      this.#guard.check();
      work();
    });
  }
}
