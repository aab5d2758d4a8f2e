// The tables of the embedded store, and what is done to them inside a write transaction: synchronously, and nothing throws between
// the first write and the last.
import type { Database, RootDatabase } from 'lmdb';
import type { ListedSession, SealedSession } from '../store.js';
import {
  countBytes,
  expiryBytes,
  expiryKey,
  expiryOf,
  indexKey,
  type Owner,
  ownerText,
  parseOwner,
  readCount,
  recordBytes,
} from './lmdb-records.js';

export type Table = Database<Buffer, Buffer>;

export interface Tables {
  /** key → format byte, expiry, sealed value. */
  readonly sessions: Table;
  /** expiry ‖ key → provider \0 subject \0 sid: the sweep's order, and what to take out of the indexes. */
  readonly byExpiry: Table;
  /** hash \0 key → 1, and the summary */
  readonly bySubject: Table;
  /** hash \0 key → 1 */
  readonly bySid: Table;
  readonly byProvider: Table;
  /** provider → number of its entries in `byProvider`, so that `stats` need not scan. */
  readonly counts: Table;
  readonly leases: Table;
  /** name → format byte, expiry, text. */
  readonly values: Table;
}

/** The outcome of a put that would go over the bound. */
export const FULL = Symbol('full');

/** Sessions that one transaction may touch: operations share an fsync, but the event loop must not wait long. */
const MAX_BATCH = 50;
/** Pages that are copied for one session (a path in each table), times the transactions until the old ones are free again. */
const COPIED_PAGES = 16 * 3;
/** Share of `maxBytes` for live pages. The rest is for pages that a transaction copies before it frees the old ones. */
const LIVE_SHARE = 0.75;
const PRESENT = Buffer.from([1]);

export function openTables(root: RootDatabase<Buffer, Buffer>): Tables {
  const table = (name: string): Table =>
    root.openDB<Buffer, Buffer>({ name, encoding: 'binary', keyEncoding: 'binary', cache: false });
  return {
    sessions: table('sessions'),
    byExpiry: table('by-expiry'),
    bySubject: table('by-subject'),
    bySid: table('by-sid'),
    byProvider: table('by-provider'),
    counts: table('counts'),
    leases: table('leases'),
    values: table('values'),
  };
}

export class SessionTables {
  /** Sessions that one transaction may touch; few in a small store: what a transaction copies has to fit in the spare pages. */
  readonly batch: number;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #tables: Tables;
  readonly #maxBytes: number;
  readonly #now: () => number;

  constructor(root: RootDatabase<Buffer, Buffer>, tables: Tables, maxBytes: number, now: () => number) {
    this.#root = root;
    this.#tables = tables;
    this.#maxBytes = maxBytes;
    this.#now = now;
    const spare = (maxBytes * (1 - LIVE_SHARE)) / tableStats(root).pageSize;
    this.batch = Math.max(1, Math.min(MAX_BATCH, Math.floor(spare / COPIED_PAGES)));
  }

  /** `onlyIfThere`: false when no live session has this key. */
  put(session: SealedSession, onlyIfThere: boolean): boolean | typeof FULL {
    const expiry = this.liveOrGone(session.key);
    if (onlyIfThere && expiry === null) return false;
    if (this.#wouldOverflow(session.value.byteLength + session.summary.byteLength)) return FULL;
    this.remove(session.key);
    const { sessions, byExpiry, bySubject, bySid, byProvider } = this.#tables;
    const key = Buffer.from(session.key);
    sessions.putSync(key, recordBytes(session));
    byExpiry.putSync(expiryKey(session.expiresAt, session.key), Buffer.from(ownerText(session)));
    bySubject.putSync(indexKey(session.subject, session.key), Buffer.concat([PRESENT, session.summary]));
    if (session.sid !== '') bySid.putSync(indexKey(session.sid, session.key), PRESENT);
    const providerKey = indexKey(session.provider, session.key);
    if (!byProvider.doesExist(providerKey)) this.#count(session.provider, 1);
    byProvider.putSync(providerKey, PRESENT);
    return true;
  }

  /** The expiry of a live session, or null. A damaged record is removed; the sweep clears its index entries in time. */
  liveOrGone(key: string): number | null {
    const record = this.#tables.sessions.get(Buffer.from(key));
    if (record === undefined) return null;
    const expiry = expiryOf(record);
    if (expiry === null) this.#tables.sessions.removeSync(Buffer.from(key));
    return expiry === null || this.#now() >= expiry ? null : expiry;
  }

  /** Live sessions of a subject, at most `most` entries of it looked at. Writes nothing. */
  summaries(subject: string, most: number): ListedSession[] {
    const { start, end, keyOf } = rangeOf(subject);
    const listed: ListedSession[] = [];
    for (const { key: entry, value } of this.#tables.bySubject.getRange({ start, end, limit: most })) {
      const key = keyOf(entry);
      const record = this.#tables.sessions.get(Buffer.from(key));
      const expiresAt = record === undefined ? null : expiryOf(record);
      if (expiresAt === null || this.#now() >= expiresAt) continue;
      const summary = value.length > PRESENT.length ? Uint8Array.from(value.subarray(PRESENT.length)) : null;
      listed.push({ key, expiresAt, summary });
    }
    return listed;
  }

  /** True when a live session was removed. An expired one goes too, but counts as absent. */
  remove(key: string): boolean {
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

  /** Entries of `byExpiry` whose time is over, oldest first. */
  expired(limit: number): Buffer[] {
    const end = Buffer.concat([expiryBytes(this.#now()), Buffer.from([0xff])]); // no key starts with 0xff
    return [...this.#tables.byExpiry.getRange({ start: Buffer.from([0]), end, limit })].map(({ key }) => key);
  }

  /** How many of up to `limit` expired entries were sessions; all of these entries are gone. */
  sweep(limit: number): number {
    let removed = 0;
    for (const entry of this.expired(limit)) {
      const key = entry.subarray(8).toString();
      const record = this.#tables.sessions.get(Buffer.from(key));
      const expiry = record === undefined ? null : expiryOf(record);
      const owner = this.#tables.byExpiry.get(entry);
      if (expiry !== null && expiryKey(expiry, key).equals(entry)) {
        this.remove(key);
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

  /** Ends up to `batch` sessions of an index. `more`: there may be others. */
  removeSome(index: Table, hash: string): { readonly removed: readonly string[]; readonly more: boolean } {
    const { start, end, keyOf } = rangeOf(hash);
    const removed: string[] = [];
    const entries = [...index.getRange({ start, end, limit: this.batch })].map(({ key }) => key);
    for (const entry of entries) {
      const key = keyOf(entry);
      if (this.remove(key)) removed.push(key);
      // Still there only when the record was damaged.
      if (!index.doesExist(entry)) continue;
      index.removeSync(entry);
      if (index === this.#tables.byProvider) this.#count(hash, -1);
    }
    return { removed, more: entries.length === this.batch };
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
}

/** The entries of one hash in an index, and the session's key in each. */
export function rangeOf(hash: string): { start: Buffer; end: Buffer; keyOf(entry: Buffer): string } {
  const start = Buffer.from(`${hash}\0`);
  const end = Buffer.concat([start, Buffer.from([0xff])]);
  return { start, end, keyOf: (entry) => entry.subarray(start.length).toString() };
}

/** The next key that there can be: where the page behind `key` begins. */
export function after(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

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
