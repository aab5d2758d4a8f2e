// A SessionStore that counts what it is asked and how long it took; what `akprox_store_*` is made of.
import { Buckets } from '../infra/buckets.js';
import { explain } from '../infra/errors.js';
import type { LeaseStore } from '../session/lease.js';
import type { SharedValues } from '../session/shared-values.js';
import type { ListedSession, SealedSession, SessionStore, StoreStats } from '../session/store.js';

export const STORE_BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5];

export interface OpStats {
  readonly duration: Buckets;
  errors: number;
}

/** Told of each operation as it begins; what it answers with, of its end. */
export type WatchStore = (op: string) => (failed: boolean) => void;

export class MeasuredStore implements SessionStore {
  private readonly store: SessionStore;
  private readonly clock: () => number;
  readonly leases: LeaseStore;
  readonly values: SharedValues;
  readonly ops = new Map<string, OpStats>();
  /** Why the last operation failed; null when it did not. */
  failing: string | null = null;
  private readonly watch: WatchStore | undefined;

  /** `clock`: seconds, monotonic. */
  constructor(store: SessionStore, clock: () => number, watch?: WatchStore) {
    this.store = store;
    this.watch = watch;
    this.clock = clock;
    this.leases = {
      acquire: (name, ttlMs, token) => this.measure('lease', () => store.leases.acquire(name, ttlMs, token)),
      isHeld: (name, ttlMs) => this.measure('lease', () => store.leases.isHeld(name, ttlMs)),
      release: (name, token) => this.measure('lease', () => store.leases.release(name, token)),
    };
    this.values = {
      get: (name) => this.measure('value', () => store.values.get(name)),
      getOrPut: (name, value, expiresAt) => this.measure('value', () => store.values.getOrPut(name, value, expiresAt)),
      remove: (name, value) => this.measure('value', () => store.values.remove(name, value)),
    };
  }

  get(key: string): Promise<Uint8Array | null> {
    return this.measure('get', () => this.store.get(key));
  }

  put(session: SealedSession): Promise<void> {
    return this.measure('put', () => this.store.put(session));
  }

  replace(session: SealedSession): Promise<boolean> {
    return this.measure('replace', () => this.store.replace(session));
  }

  delete(key: string): Promise<boolean> {
    return this.measure('delete', () => this.store.delete(key));
  }

  listSubject(subject: string): Promise<string[]> {
    return this.measure('list_subject', () => this.store.listSubject(subject));
  }

  listSummaries(subject: string, most: number): Promise<ListedSession[]> {
    return this.measure('list_summaries', () => this.store.listSummaries(subject, most));
  }

  listSid(sid: string): Promise<string[]> {
    return this.measure('list_sid', () => this.store.listSid(sid));
  }

  subjectOf(key: string): Promise<string> {
    return this.measure('get', () => this.store.subjectOf(key));
  }

  deleteSubject(subject: string): Promise<string[]> {
    return this.measure('delete_subject', () => this.store.deleteSubject(subject));
  }

  deleteSid(sid: string): Promise<string[]> {
    return this.measure('delete_sid', () => this.store.deleteSid(sid));
  }

  deleteProvider(provider: string): Promise<string[]> {
    return this.measure('delete_provider', () => this.store.deleteProvider(provider));
  }

  stats(): Promise<StoreStats> {
    return this.measure('stats', () => this.store.stats());
  }

  sweep(): Promise<number> {
    return this.measure('sweep', () => this.store.sweep());
  }

  close(): Promise<void> {
    return this.store.close();
  }

  /** One promise more and no other: it is part of every check that is not cached. */
  private measure<T>(op: string, ask: () => Promise<T>): Promise<T> {
    const stats = this.statsOf(op);
    const start = this.clock();
    const ended = this.watch?.(op);
    return ask().then(
      (result) => {
        stats.duration.observe(this.clock() - start);
        this.failing = null;
        ended?.(false);
        return result;
      },
      (error: unknown) => {
        stats.duration.observe(this.clock() - start);
        ended?.(true);
        stats.errors += 1;
        this.failing = explain(error);
        throw error;
      },
    );
  }

  private statsOf(op: string): OpStats {
    const known = this.ops.get(op);
    if (known !== undefined) return known;
    const stats = { duration: new Buckets(STORE_BOUNDS), errors: 0 };
    this.ops.set(op, stats);
    return stats;
  }
}
