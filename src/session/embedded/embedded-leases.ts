// Leases of the embedded store. A lease is a key with an end: whoever finds none, or one that is over, may have it.
import type { LeaseStore } from '../lease.js';
import { leaseBytes, leaseEnd, leaseToken } from './lmdb-records.js';
import { after, type Table } from './session-tables.js';

export interface EmbeddedLeasesOptions {
  readonly table: Table;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly read: <T>(action: () => T) => T;
  /** Inside a transaction. */
  readonly write: <T>(action: () => T, touched?: number) => Promise<T>;
}

/** What `acquire` reckons with at least; most leases are for seconds. */
const USUAL_LEASE = 300_000;
/** Leases that are read in one turn of the event loop, and removed in one transaction. */
const PAGE = 500;
const BATCH = 50;

export class EmbeddedLeases implements LeaseStore {
  readonly #options: EmbeddedLeasesOptions;

  constructor(options: EmbeddedLeasesOptions) {
    this.#options = options;
  }

  acquire(name: string, ttlMs: number, token: string): Promise<boolean> {
    const { table, now, write } = this.#options;
    return write(() => {
      if (this.#isHeldNow(name, Math.max(ttlMs, USUAL_LEASE))) return false;
      table.putSync(Buffer.from(name), leaseBytes(now() + ttlMs, token));
      return true;
    });
  }

  async isHeld(name: string, ttlMs: number): Promise<boolean> {
    return this.#options.read(() => this.#isHeldNow(name, ttlMs));
  }

  release(name: string, token: string): Promise<boolean> {
    const { table, write } = this.#options;
    return write(() => {
      const held = table.get(Buffer.from(name));
      if (held === undefined || leaseToken(held) !== token) return false;
      table.removeSync(Buffer.from(name));
      return true;
    });
  }

  /** Removes those that are over, in the order of their names. */
  async sweep(): Promise<void> {
    const { table, now, read, write } = this.#options;
    const isOver = (lease: Buffer | undefined): boolean => lease !== undefined && leaseEnd(lease) <= now();
    for (let start: Buffer | null = Buffer.from([0]); start !== null; ) {
      const from: Buffer = start;
      const page = read(() => [...table.getRange({ start: from, limit: PAGE })]);
      const over = page.filter(({ value }) => isOver(value)).map(({ key }) => key);
      for (let i = 0; i < over.length; i += BATCH) {
        const names = over.slice(i, i + BATCH);
        // Whoever has acquired one meanwhile keeps it.
        await write(() => {
          for (const name of names) if (isOver(table.get(name))) table.removeSync(name);
        }, names.length);
      }
      const last = page[PAGE - 1]?.key;
      start = last === undefined ? null : after(last);
    }
  }

  /** One that would last longer than it can have been asked for was taken under a clock that was wrong. */
  #isHeldNow(name: string, longest: number): boolean {
    const { table, now } = this.#options;
    const time = now();
    const until = leaseEnd(table.get(Buffer.from(name)));
    return time < until && until <= time + longest;
  }
}
