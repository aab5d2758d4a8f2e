// The session cache of one worker: what makes a check cheap. It is keyed by the whole cookie as the client sent it, so a
// hit proves that this very value was verified before and costs no cryptography.
// Invariants: bounded in bytes; an entry counts for its own provider only; a revocation removes at once.
import { LRUCache } from 'lru-cache';
import { ownString } from '../infra/own-string.js';
import type { Provider } from '../provider/provider.js';

/** What one cookie is worth. `kind` doubles as the check's decision, so that a hit allocates nothing. */
export interface CacheEntry {
  readonly kind: 'allow' | 'forbidden' | 'none';
  readonly provider: Provider;
  /** Rendered identity headers; the anonymous block unless `kind` is `allow`. */
  readonly block: ArrayBuffer;
  /** The session's name in the store. */
  readonly key: string;
  /** Unix milliseconds: when the session ends. */
  readonly expiresAt: number;
  /** Unix milliseconds: from then on it is not served, even if the store cannot be asked. */
  readonly staleAt: number;
  /** Unix milliseconds: until then it is served with no further question. Never after `expiresAt` or `staleAt`. */
  freshUntil: number;
  refreshing: boolean;
}

/** What an entry costs besides its block: key string, object, list and map slots. bench/sizing.ts measures what a cached session takes. */
const ENTRY_OVERHEAD = 640;

export class SessionCache {
  evictions = 0;
  private readonly entries: LRUCache<string, CacheEntry>;
  private readonly cookieByKey = new Map<string, string>();

  constructor(maxBytes: number) {
    this.entries = new LRUCache<string, CacheEntry>({
      maxSize: maxBytes,
      sizeCalculation: (entry) => (entry.kind === 'allow' ? entry.block.byteLength : 0) + ENTRY_OVERHEAD,
      dispose: (entry, cookie, reason) => {
        if (reason === 'set') return;
        if (reason === 'evict') this.evictions += 1;
        if (this.cookieByKey.get(entry.key) === cookie) this.cookieByKey.delete(entry.key);
      },
    });
  }

  get(cookie: string): CacheEntry | undefined {
    return this.entries.get(cookie);
  }

  set(cookie: string, entry: CacheEntry): void {
    const own = ownString(cookie);
    this.entries.set(own, entry);
    this.cookieByKey.set(entry.key, own);
  }

  delete(cookie: string): void {
    this.entries.delete(cookie);
  }

  revoke(key: string): void {
    const cookie = this.cookieByKey.get(key);
    if (cookie !== undefined) this.entries.delete(cookie);
  }

  clear(): void {
    this.entries.clear();
    this.cookieByKey.clear();
  }

  get bytes(): number {
    return this.entries.calculatedSize;
  }

  get size(): number {
    return this.entries.size;
  }
}
