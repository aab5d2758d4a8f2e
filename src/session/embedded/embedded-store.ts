// The embedded SessionStore: one LMDB environment in a directory, shared by every worker of one host.
// Nothing is cached in the process: each read opens a fresh snapshot, so a session that one worker ends is gone for all.

import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Database, open, type RootDatabase } from 'lmdb';
import { AkproxError, explain } from '../../infra/errors.js';
import type { LeaseStore } from '../lease.js';
import type { SealedSession, SessionStore, StoreStats } from '../store.js';
import { LengthGuard, lmdbFileOf, prepareDirectory, unusable, verifyDataFile } from './lmdb-file.js';

/** A call is given up after this long: another process may hold the write lock, or the disk may hang. */
const CALL_TIMEOUT_MS = 5_000;
/** Sessions that one transaction may touch: operations share an fsync, but the event loop must not wait long. */
const MAX_BATCH = 50;
/** Pages that are copied for one session (a path in each table), times the transactions until the old ones are free again. */
const COPIED_PAGES = 16 * 3;
/** Share of `maxBytes` for live pages. The rest is for pages that a transaction copies before it frees the old ones. */
const LIVE_SHARE = 0.75;
/** Entries of an index that are read in one turn of the event loop. */
const PAGE = 500;
/** What `acquire` reckons with at least; most leases are for seconds. */
const USUAL_LEASE = 300_000;
const FORMAT = 1;
const HEADER = 9;
const PRESENT = Buffer.from([1]);

type Table = Database<Buffer, Buffer>;

interface Tables {
  /** key → format byte, expiry, sealed value. */
  readonly sessions: Table;
  /** expiry ‖ key → provider \0 subject \0 sid: the sweep's order, and what to take out of the indexes. */
  readonly byExpiry: Table;
  /** hash \0 key → 1 */
  readonly bySubject: Table;
  readonly bySid: Table;
  readonly byProvider: Table;
  /** provider → number of its entries in `byProvider`, so that `stats` need not scan. */
  readonly counts: Table;
  readonly leases: Table;
}

interface Owner {
  readonly provider: string;
  readonly subject: string;
  readonly sid: string;
}

/** The outcome of a put that would go over the bound. */
const FULL = Symbol('full');

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
      maxDbs: 8,
      maxReaders: 512,
    };
    const root: RootDatabase<Buffer, Buffer> = open<Buffer, Buffer>(environment);
    const table = (name: string): Table =>
      root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary', cache: false });
    const tables: Tables = {
      sessions: table('sessions'),
      byExpiry: table('by-expiry'),
      bySubject: table('by-subject'),
      bySid: table('by-sid'),
      byProvider: table('by-provider'),
      counts: table('counts'),
      leases: table('leases'),
    };
    const guard = new LengthGuard(lmdbFileOf(path));
    return new EmbeddedStore(root, tables, guard, options);
  } catch (error) {
    throw unusable(path, `cannot be opened (${explain(error)})`, error);
  }
}

class EmbeddedStore implements SessionStore {
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #tables: Tables;
  readonly #guard: LengthGuard;
  readonly #path: string;
  readonly #maxBytes: number;
  readonly #now: () => number;
  /** As `MAX_BATCH`, but less in a small store: what a transaction copies has to fit in the spare pages. */
  readonly #batch: number;
  readonly #queue: Operation[] = [];
  #pumping: Promise<void> | null = null;
  #closed = false;

  constructor(root: RootDatabase<Buffer, Buffer>, tables: Tables, guard: LengthGuard, options: EmbeddedStoreOptions) {
    this.#root = root;
    this.#tables = tables;
    this.#guard = guard;
    this.#path = options.path;
    this.#maxBytes = options.maxBytes;
    this.#now = options.now;
    const spare = (options.maxBytes * (1 - LIVE_SHARE)) / tableStats(root).pageSize;
    this.#batch = Math.max(1, Math.min(MAX_BATCH, Math.floor(spare / COPIED_PAGES)));
  }

  async get(key: string): Promise<Uint8Array | null> {
    const record = this.#read(() => this.#tables.sessions.get(Buffer.from(key)));
    if (record === undefined) return null;
    const expiry = expiryOf(record);
    if (expiry === null) {
      await this.#write(() => this.#liveOrGone(key)).catch(() => undefined); // absent either way
      return null;
    }
    return this.#now() >= expiry ? null : new Uint8Array(record.subarray(HEADER));
  }

  async put(session: SealedSession): Promise<void> {
    await this.#store(session, false);
  }

  async replace(session: SealedSession): Promise<boolean> {
    return this.#store(session, true);
  }

  async delete(key: string): Promise<boolean> {
    return this.#write(() => this.#remove(key));
  }

  async listSubject(subject: string): Promise<string[]> {
    return this.#list(this.#tables.bySubject, subject);
  }

  async listSid(sid: string): Promise<string[]> {
    return sid === '' ? [] : this.#list(this.#tables.bySid, sid);
  }

  async #list(index: Table, hash: string): Promise<string[]> {
    const prefix = Buffer.from(`${hash}\0`);
    const end = Buffer.concat([prefix, Buffer.from([0xff])]);
    const keys: string[] = [];
    for (let start = prefix; ; ) {
      const page = this.#read(() => [...index.getRange({ start, end, limit: PAGE })]);
      for (const { key } of page) keys.push(key.subarray(prefix.length).toString());
      const last = page[PAGE - 1]?.key;
      if (last === undefined) return keys;
      start = Buffer.concat([last, Buffer.from([0])]); // the next key that there can be
      await nextTurn();
    }
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

  readonly leases: LeaseStore = {
    acquire: (name, ttlMs, token) =>
      this.#write(() => {
        if (this.#isLeaseHeld(name, Math.max(ttlMs, USUAL_LEASE))) return false;
        const until = Buffer.alloc(8);
        until.writeBigUInt64BE(BigInt(Math.ceil(this.#now() + ttlMs)));
        this.#tables.leases.putSync(Buffer.from(name), Buffer.concat([until, Buffer.from(token)]));
        return true;
      }),
    isHeld: async (name, ttlMs) => this.#read(() => this.#isLeaseHeld(name, ttlMs)),
    release: (name, token) =>
      this.#write(() => {
        const held = this.#tables.leases.get(Buffer.from(name));
        if (held === undefined || held.subarray(8).toString() !== token) return false;
        this.#tables.leases.removeSync(Buffer.from(name));
        return true;
      }),
  };

  /** One that would last longer than it can have been asked for was taken under a clock that was wrong. */
  #isLeaseHeld(name: string, longest: number): boolean {
    const until = leaseEnd(this.#tables.leases.get(Buffer.from(name)));
    const now = this.#now();
    return now < until && until <= now + longest;
  }

  async stats(): Promise<StoreStats> {
    const entries = this.#read(() => [...this.#tables.counts.getRange({})]);
    return { sessions: Object.fromEntries(entries.map(({ key, value }) => [key.toString(), readCount(value)])) };
  }

  async sweep(): Promise<number> {
    // Whoever sweeps goes through pages that nobody has looked at for long.
    await this.#verify();
    return this.#sweepNow();
  }

  async #verify(): Promise<void> {
    if (this.#closed) return;
    await verifyDataFile(this.#path).catch((error: unknown) => {
      throw new AkproxError('store_unavailable', 'the embedded store cannot be used', error);
    });
  }

  async #sweepNow(): Promise<number> {
    // A worker that was killed in the middle of a read leaves a reader slot that pins old pages: free it.
    this.#read(() => this.#root.readerCheck());
    let removed = 0;
    // Looking first costs no write lock: with several workers most sweeps find nothing.
    while (this.#read(() => this.#expired(1)).length > 0)
      removed += await this.#write(() => this.#sweepStep(), this.#batch);
    await this.#sweepLeases();
    return removed;
  }

  /** In the order of their names, a batch at a time. */
  async #sweepLeases(): Promise<void> {
    const { leases } = this.#tables;
    const isOver = (lease: Buffer | undefined): boolean => lease !== undefined && leaseEnd(lease) <= this.#now();
    for (let start: Buffer | null = Buffer.from([0]); start !== null; ) {
      const from: Buffer = start;
      const page = this.#read(() => [...leases.getRange({ start: from, limit: PAGE })]);
      const over = page.filter(({ value }) => isOver(value)).map(({ key }) => key);
      for (let i = 0; i < over.length; i += this.#batch) {
        const names = over.slice(i, i + this.#batch);
        // Whoever has acquired one meanwhile keeps it.
        await this.#write(() => {
          for (const name of names) if (isOver(leases.get(name))) leases.removeSync(name);
        }, names.length);
      }
      const last = page[PAGE - 1]?.key;
      start = last === undefined ? null : Buffer.concat([last, Buffer.from([0])]);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await bounded((this.#pumping ?? Promise.resolve()).then(() => this.#root.close()));
    this.#guard.close();
  }

  async #store(session: SealedSession, onlyIfThere: boolean): Promise<boolean> {
    checkNames(session);
    const attempt = () => this.#write(() => this.#putNow(session, onlyIfThere));
    let outcome = await attempt();
    if (outcome === FULL) {
      await this.#sweepNow();
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

  // --- Inside a write transaction: synchronous, and nothing throws between the first write and the last -------------------

  #putNow(session: SealedSession, onlyIfThere: boolean): boolean | typeof FULL {
    const expiry = this.#liveOrGone(session.key);
    if (onlyIfThere && expiry === null) return false;
    if (this.#wouldOverflow(session.value.byteLength)) return FULL;
    this.#remove(session.key);
    const { sessions, byExpiry, bySubject, bySid, byProvider } = this.#tables;
    const key = Buffer.from(session.key);
    sessions.putSync(key, Buffer.concat([Buffer.from([FORMAT]), expiryBytes(session.expiresAt), session.value]));
    byExpiry.putSync(expiryKey(session.expiresAt, session.key), Buffer.from(ownerText(session)));
    bySubject.putSync(indexKey(session.subject, session.key), PRESENT);
    if (session.sid !== '') bySid.putSync(indexKey(session.sid, session.key), PRESENT);
    const providerKey = indexKey(session.provider, session.key);
    if (!byProvider.doesExist(providerKey)) this.#count(session.provider, 1);
    byProvider.putSync(providerKey, PRESENT);
    return true;
  }

  /** The expiry of a live session, or null. A damaged record is removed; the sweep clears its index entries in time. */
  #liveOrGone(key: string): number | null {
    const record = this.#tables.sessions.get(Buffer.from(key));
    if (record === undefined) return null;
    const expiry = expiryOf(record);
    if (expiry === null) this.#tables.sessions.removeSync(Buffer.from(key));
    return expiry === null || this.#now() >= expiry ? null : expiry;
  }

  /** True when a live session was removed. An expired one goes too, but counts as absent. */
  #remove(key: string): boolean {
    const name = Buffer.from(key);
    const record = this.#tables.sessions.get(name);
    if (record === undefined) return false;
    const expiry = expiryOf(record);
    this.#tables.sessions.removeSync(name);
    if (expiry === null) return false;
    const entry = expiryKey(expiry, key);
    const owner = this.#tables.byExpiry.get(entry);
    this.#tables.byExpiry.removeSync(entry);
    if (owner !== undefined) this.#unlink(key, parseOwner(owner), null);
    return this.#now() < expiry;
  }

  /** Takes a session out of the indexes, but for entries that it shares with `keep`. */
  #unlink(key: string, owner: Owner, keep: Owner | null): void {
    const { bySubject, bySid, byProvider } = this.#tables;
    if (owner.subject !== keep?.subject) bySubject.removeSync(indexKey(owner.subject, key));
    if (owner.sid !== '' && owner.sid !== keep?.sid) bySid.removeSync(indexKey(owner.sid, key));
    if (owner.provider === keep?.provider) return;
    const providerKey = indexKey(owner.provider, key);
    if (!byProvider.doesExist(providerKey)) return;
    byProvider.removeSync(providerKey);
    this.#count(owner.provider, -1);
  }

  #count(provider: string, by: number): void {
    const name = Buffer.from(provider);
    const count = readCount(this.#tables.counts.get(name)) + by;
    if (count <= 0) this.#tables.counts.removeSync(name);
    else this.#tables.counts.putSync(name, countBytes(count));
  }

  #expired(limit: number): Buffer[] {
    const end = Buffer.concat([expiryBytes(this.#now()), Buffer.from([0xff])]); // no key starts with 0xff
    return [...this.#tables.byExpiry.getRange({ start: Buffer.from([0]), end, limit })].map(({ key }) => key);
  }

  #sweepStep(): number {
    let removed = 0;
    for (const entry of this.#expired(this.#batch)) {
      const key = entry.subarray(8).toString();
      const record = this.#tables.sessions.get(Buffer.from(key));
      const expiry = record === undefined ? null : expiryOf(record);
      const owner = this.#tables.byExpiry.get(entry);
      if (expiry !== null && expiryKey(expiry, key).equals(entry)) {
        this.#remove(key);
        removed += 1;
        continue;
      }
      // Left over from a damaged record; the key may be in use again.
      const current = expiry === null ? undefined : this.#tables.byExpiry.get(expiryKey(expiry, key));
      this.#tables.byExpiry.removeSync(entry);
      if (owner !== undefined) this.#unlink(key, parseOwner(owner), current === undefined ? null : parseOwner(current));
    }
    return removed;
  }

  async #removeAll(index: Table, hash: string): Promise<string[]> {
    const prefix = Buffer.from(`${hash}\0`);
    const end = Buffer.concat([prefix, Buffer.from([0xff])]);
    const removed: string[] = [];
    for (;;) {
      const more = await this.#write(() => {
        const entries = [...index.getRange({ start: prefix, end, limit: this.#batch })].map(({ key }) => key);
        for (const entry of entries) {
          const key = entry.subarray(prefix.length).toString();
          if (this.#remove(key)) removed.push(key);
          // Still there only when the record was damaged.
          if (!index.doesExist(entry)) continue;
          index.removeSync(entry);
          if (index === this.#tables.byProvider) this.#count(hash, -1);
        }
        return entries.length === this.#batch;
      }, this.#batch);
      if (!more) return removed;
    }
  }

  /** lmdb-js never answers MDB_MAP_FULL: it enlarges the map. So the bound is kept here, by counting pages in use. */
  #wouldOverflow(valueBytes: number): boolean {
    const { pageSize, lastPageNumber, free } = tableStats(this.#root);
    const limit = this.#maxBytes * LIVE_SHARE;
    const wanted = valueBytes + 16 * pageSize;
    if ((lastPageNumber + 1) * pageSize + wanted * MAX_BATCH <= limit) return false;
    const pages = [this.#root, ...Object.values(this.#tables)].reduce(
      (sum, table) => sum + pagesOf(tableStats(table)),
      2 + pagesOf(free),
    );
    return pages * pageSize + wanted > limit;
  }

  // --- Around a transaction ---------------------------------------------------------------------------------------------

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

  /**
   * Resolves once the transaction that ran `action` is on the disk. An LMDB error inside marks the whole transaction bad, so
   * it is all or nothing. After a timeout in the middle of a commit the outcome is unknown; an action still queued never runs.
   */
  #write<T>(action: () => T, sessions = 1): Promise<T> {
    if (this.#closed) return Promise.reject(new AkproxError('store_unavailable', 'the embedded store is closed'));
    const { promise, operation } = operationOf(action, sessions);
    this.#queue.push(operation);
    this.#pumping ??= this.#pump();
    return bounded(promise, () => {
      const at = this.#queue.indexOf(operation);
      if (at >= 0) this.#queue.splice(at, 1);
    });
  }

  /** One transaction at a time; what is asked meanwhile shares the next one. */
  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch();
      try {
        this.#guard.check();
        await this.#root.transaction(() => {
          // It may have waited for the lock of another process.
          this.#guard.check();
          for (const operation of batch) operation.run();
        });
        for (const operation of batch) operation.committed();
      } catch (error) {
        const cause = await commitError(error);
        for (const operation of batch) operation.failed(cause);
      }
    }
    this.#pumping = null;
  }

  #nextBatch(): Operation[] {
    let size = 0;
    for (let touched = 0; size < this.#queue.length; size += 1) {
      touched += this.#queue[size]?.sessions ?? 0;
      if (size > 0 && touched > this.#batch) break;
    }
    return this.#queue.splice(0, size);
  }
}

interface Operation {
  /** How many it may touch. */
  readonly sessions: number;
  run(): void;
  committed(): void;
  failed(error: unknown): void;
}

function operationOf<T>(action: () => T, sessions: number): { promise: Promise<T>; operation: Operation } {
  let outcome: { readonly value: T } | { readonly error: unknown } = { error: new Error('the transaction never ran') };
  let operation: Operation | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    operation = {
      sessions,
      run() {
        try {
          outcome = { value: action() };
        } catch (error) {
          outcome = { error };
        }
      },
      committed() {
        if ('value' in outcome) resolve(outcome.value);
        else reject(outcome.error);
      },
      failed: reject,
    };
  });
  if (operation === undefined) throw new Error('unreachable: a promise runs its executor at once');
  return { promise, operation };
}

/** lmdb-js hands out the reason of a failed commit as a promise of its own; unheard, it would end the process. */
async function commitError(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    return await error.commitError;
  } catch (reason) {
    return reason;
  }
}

async function bounded<T>(work: Promise<T>, onTimeout: () => void = () => undefined): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      onTimeout();
      reject(new Error(`no answer within ${CALL_TIMEOUT_MS} ms`));
    }, CALL_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, timeout]);
  } catch (error) {
    throw new AkproxError('store_unavailable', 'the embedded store cannot be written', error);
  } finally {
    clearTimeout(timer);
  }
}

// --- Keys and records -------------------------------------------------------------------------------------------------------

/** Not negative, so that the bytes of the IEEE double, big-endian, sort like the number. */
function expiryBytes(milliseconds: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(Math.max(0, milliseconds));
  return bytes;
}

function expiryKey(milliseconds: number, key: string): Buffer {
  return Buffer.concat([expiryBytes(milliseconds), Buffer.from(key)]);
}

function indexKey(hash: string, key: string): Buffer {
  return Buffer.from(`${hash}\0${key}`);
}

function expiryOf(record: Buffer): number | null {
  if (record.length < HEADER || record[0] !== FORMAT) return null;
  const expiry = record.readDoubleBE(1);
  return expiry >= 0 ? expiry : null; // false for NaN
}

function ownerText(owner: Owner): string {
  return `${owner.provider}\0${owner.subject}\0${owner.sid}`;
}

function parseOwner(bytes: Buffer): Owner {
  const [provider = '', subject = '', sid = ''] = bytes.toString().split('\0');
  return { provider, subject, sid };
}

/** Unix milliseconds; 0 for what is no lease. */
function leaseEnd(lease: Buffer | undefined): number {
  return lease !== undefined && lease.length > 8 ? Number(lease.readBigUInt64BE(0)) : 0;
}

function countBytes(count: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(count);
  return bytes;
}

function readCount(bytes: Buffer | undefined): number {
  return bytes?.length === 4 ? bytes.readUInt32BE() : 0;
}

/** Checked before a transaction begins, because nothing may throw between its writes. LMDB's keys end at 1 978 bytes. */
function checkNames(session: SealedSession): void {
  for (const name of ['key', 'subject', 'sid', 'provider'] as const) {
    const text = session[name];
    const empty = text === '' && name !== 'sid';
    if (empty || text.includes('\0') || Buffer.byteLength(text) > 900) {
      throw new AkproxError('internal', `a session's ${name} is empty, too long or not safe in a key`);
    }
  }
  if (Number.isNaN(session.expiresAt)) throw new AkproxError('internal', "a session's expiresAt is not a number");
}

// --- Page counts ------------------------------------------------------------------------------------------------------------

interface PageCounts {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

interface TableStats extends PageCounts {
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly free: PageCounts;
}

/** lmdb-js types it `{}`; this is what its native `stat`, `info` and `freeStat` fill in. */
function tableStats(table: Table): TableStats {
  return table.getStats() as TableStats;
}

function pagesOf(counts: PageCounts): number {
  return counts.treeBranchPageCount + counts.treeLeafPageCount + counts.overflowPages;
}
