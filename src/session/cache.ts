// The session cache of one worker: what makes a check cheap. It is keyed by the whole cookie as the client sent it, so a
// hit proves that this very value was verified before and costs no cryptography.
// Invariants: bounded in bytes; an entry counts for its own application only; a revocation removes at once.
import { LRUCache } from 'lru-cache';
import type { Application } from '../application/application.js';
import { copyString } from '../infra/copy-string.js';
import type { Person } from './audit.js';
import { TICKET_LENGTH } from './ticket.js';

/** What one cookie is worth. `kind` doubles as the check's decision, so that a hit allocates nothing. */
export interface CacheEntry {
  readonly kind: 'allow' | 'forbidden' | 'too_large' | 'none';
  readonly application: Application;
  /** Rendered identity headers; the anonymous block unless `kind` is `allow`. */
  readonly block: ArrayBuffer;
  /** As whom somebody is signed in who may not pass; '' for everybody else. */
  readonly user: string;
  /** The same person, for the log; null for everybody else. */
  readonly person: Person | null;
  /** The session's name in the store. */
  readonly key: string;
  /** Monotonic milliseconds, as all that follow: when the session ends, or has to be renewed before it is served again. */
  readonly endsAt: number;
  /** From then on it is not served, even if the store cannot be asked. */
  readonly staleAt: number;
  /** Until then it is served with no further question. Never after `endsAt` or `staleAt`. */
  freshUntil: number;
  /** It is being read again in the background. */
  rereading: boolean;
}

/** What an entry costs besides its block: key string, object, list and map slots. bench/sizing.ts measures what a cached session takes. */
const ENTRY_OVERHEAD = 640;

/**
 * In front of the list stands a table with one place for each of 16 384 slots, which three letters of the cookie's MAC choose.
 * To hash a whole cookie for the list costs as much as everything else that a hit does; to compare it with the one in its slot
 * a third of that. Cookies are compared whole and the slot is left the moment its entry leaves the list.
 */
const SLOTS = 16_384;
/** The list is told of one hit in this many, for its order: entries that are asked for stay. */
const HITS_PER_TOUCH = 16;
const AT = TICKET_LENGTH - 43;
const { charCodeAt } = String.prototype;

function slotOf(cookie: string): number {
  const high = charCodeAt.call(cookie, AT) & 63;
  const middle = charCodeAt.call(cookie, AT + 1) & 63;
  return (high << 8) | (middle << 2) | (charCodeAt.call(cookie, AT + 2) & 3);
}

export class SessionCache {
  evictions = 0;
  private readonly entries: LRUCache<string, CacheEntry>;
  private readonly cookieByKey = new Map<string, string>();
  private readonly frontCookies: string[] = new Array<string>(SLOTS).fill('');
  private readonly frontEntries: (CacheEntry | undefined)[] = new Array<undefined>(SLOTS).fill(undefined);
  private untilTouch = HITS_PER_TOUCH;

  constructor(maxBytes: number) {
    this.entries = new LRUCache<string, CacheEntry>({
      maxSize: maxBytes,
      sizeCalculation: (entry) =>
        (entry.kind === 'allow' ? entry.block.byteLength : 2 * entry.user.length) + ENTRY_OVERHEAD,
      dispose: (entry, cookie, reason) => {
        this.leaveSlot(cookie);
        if (reason === 'set') return;
        if (reason === 'evict') this.evictions += 1;
        if (this.cookieByKey.get(entry.key) === cookie) this.cookieByKey.delete(entry.key);
      },
    });
  }

  /** HOT PATH. */
  get(cookie: string): CacheEntry | undefined {
    const slot = slotOf(cookie);
    if (this.frontCookies[slot] === cookie && --this.untilTouch > 0) return this.frontEntries[slot];
    this.untilTouch = HITS_PER_TOUCH;
    return this.getListed(cookie, slot);
  }

  private getListed(cookie: string, slot: number): CacheEntry | undefined {
    const entry = this.entries.get(cookie);
    if (entry !== undefined && this.frontCookies[slot] !== cookie) {
      this.frontCookies[slot] = copyString(cookie);
      this.frontEntries[slot] = entry;
    }
    return entry;
  }

  private leaveSlot(cookie: string): void {
    const slot = slotOf(cookie);
    if (this.frontCookies[slot] !== cookie) return;
    this.frontCookies[slot] = '';
    this.frontEntries[slot] = undefined;
  }

  set(cookie: string, entry: CacheEntry): void {
    const own = copyString(cookie);
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
