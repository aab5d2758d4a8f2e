// SessionStore: where sessions live. It sees sealed bytes and hashes, never an id, a name or a token.
// One contract suite (test/session/store-contract.ts) holds for every implementation.

import type { LeaseStore } from './lease.js';
import type { SharedValues } from './shared-values.js';

/** A sealed session on its way into the store. Every string is base64url and safe in a key. */
export interface SealedSession {
  /** SHA-256 of the session id: says nothing about the id. */
  readonly key: string;
  readonly value: Uint8Array;
  /** Unix milliseconds; from then on `get` answers null. */
  readonly expiresAt: number;
  /** Keyed hash of (application, sub). */
  readonly subject: string;
  /** Keyed hash of (application, sid), or '' without one. */
  readonly sid: string;
  /** Name of the application: `provider` in what is stored. For counting; not secret. */
  readonly provider: string;
  /** Sealed; lies beside the session in the index of its subject, and goes with it. */
  readonly summary: Uint8Array;
}

/** A live session, as the index of its subject has it. */
export interface ListedSession {
  readonly key: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  /** Null for what a version wrote that kept none. */
  readonly summary: Uint8Array | null;
}

export interface StoreStats {
  /** Live sessions by application name. May count a session that has expired but is not swept yet. */
  readonly sessions: Readonly<Record<string, number>>;
}

/**
 * Every method rejects with `AkproxError('store_unavailable')` when the store cannot be asked, and never hangs:
 * an implementation bounds the time of each call. A damaged record is no record: it is removed and counts as absent.
 */
export interface SessionStore {
  /** The sealed value, or null when there is none or it has expired. */
  get(key: string): Promise<Uint8Array | null>;
  /** Saves a session and its index entries; replaces one of the same key. Durable when it resolves. */
  put(session: SealedSession): Promise<void>;
  /** As `put`, but only while `key` is still there: a renewal must not bring a revoked session back. */
  replace(session: SealedSession): Promise<boolean>;
  /** True when there was one. */
  delete(key: string): Promise<boolean>;
  /** The keys of a subject's sessions; may name some that have ended. */
  listSubject(subject: string): Promise<string[]>;
  /** The live sessions of a subject, at most so many of them. */
  listSummaries(subject: string, most: number): Promise<ListedSession[]>;
  /** The keys of a sid's sessions; may name some that have ended. */
  listSid(sid: string): Promise<string[]>;
  /** The subject of a session, or '' when there is none, or none any more. */
  subjectOf(key: string): Promise<string>;
  /** Ends every session of a subject; answers with the keys that it removed. */
  deleteSubject(subject: string): Promise<string[]>;
  /** Ends every session with that sid; answers with the keys that it removed. */
  deleteSid(sid: string): Promise<string[]>;
  /** Ends every session of an application; answers with the keys that it removed. */
  deleteProvider(provider: string): Promise<string[]>;
  /** For work that only one worker of the fleet may do. */
  readonly leases: LeaseStore;
  /** For what the fleet must agree on. They are no sessions, and not counted as such. */
  readonly values: SharedValues;
  stats(): Promise<StoreStats>;
  /** Removes what has expired, in small steps; answers with how many. A store that expires by itself answers 0. */
  sweep(): Promise<number>;
  /** Nothing may be asked afterwards. */
  close(): Promise<void>;
}
