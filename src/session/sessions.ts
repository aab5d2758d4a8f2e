// Sessions of one worker: cache in front, store behind, revocations from the side.
// `peek` is on the hot path; everything else may be slow. An outage of the store ends nobody's session.
import type { Application } from '../application/application.js';
import type { Claims } from '../application/claims.js';
import { copyString } from '../infra/copy-string.js';
import { AkproxError } from '../infra/errors.js';
import type { GatedLog } from '../infra/log-gate.js';
import { systemTimers, type Timers } from '../infra/timers.js';
import { type Audit, NO_AUDIT, type Requester } from './audit.js';
import { type CacheEntry, SessionCache } from './cache.js';
import { type CacheEntries, createCacheEntries } from './cache-entries.js';
import { Renewal, type RenewalOptions } from './renewal.js';
import type { RevocationChannel, RevocationSource } from './revocation.js';
import { Revoker, type SignedOut } from './revoker.js';
import { createReadServed, type ReadServed } from './served-session.js';
import type { Session } from './session.js';
import { wantsRenewal } from './standing.js';
import type { SessionStore } from './store.js';
import { StoredSessions } from './stored-sessions.js';
import { type OwnSessions, sessionsOf } from './summary.js';
import { issueTicket, type Ticket, verifyTicket } from './ticket.js';
import { isUsed, remember } from './used-tokens.js';

export interface SessionsOptions {
  readonly store: SessionStore;
  readonly channel: RevocationChannel;
  readonly cache: { readonly max_bytes: number; readonly max_age: number; readonly stale_max: number };
  /** Unix milliseconds, for when a session ends. */
  readonly now: () => number;
  /** Milliseconds, for how long it is cached. */
  readonly monotonic: () => number;
  /** Redeems a refresh token; without it no session is renewed. */
  readonly redeem?: RenewalOptions['redeem'];
  /** For `X-Akprox-Assertion`; '' for an application that wants none. Without it none is signed. */
  readonly sign?: (application: Application, claims: Claims) => Promise<string>;
  /** 0 ≤ x < 1; spreads re-reads, so that sessions loaded together do not expire together. */
  readonly random: () => number;
  /** For who waits for a renewal. Default: the system's. */
  readonly timers?: Timers;
  readonly log: GatedLog;
  /** Without it none of these sessions is in the audit. */
  readonly audit?: Audit;
}

/** A session that has just begun. */
export interface Begun {
  readonly cookie: string;
  /** Its name in the store. */
  readonly key: string;
  /** What a check will say. */
  readonly kind: Exclude<CacheEntry['kind'], 'none'>;
}

/**
 * What a cookie is worth, once the store has been asked, and the identity provider where its tokens are over. `unavailable`: what could
 * not be asked.
 */
export type Resolution = CacheEntry | Unavailable;

export interface Unavailable {
  readonly kind: 'unavailable';
  readonly what: 'store' | 'renewal';
}

/** A read of the store under way. */
interface Load {
  readonly application: Application;
  readonly key: string;
  revoked: boolean;
  /** What is being read may be older than a revocation that was missed: it is answered, but not kept. */
  outdated: boolean;
  result: Promise<Resolution>;
}

const STORE_UNAVAILABLE: Unavailable = { kind: 'unavailable', what: 'store' };
const RENEWAL_UNAVAILABLE: Unavailable = { kind: 'unavailable', what: 'renewal' };
/** After a failed background read the next one waits 1 to 2 s. */
const RETRY_AGE = 1_000;

export class Sessions {
  hits = 0;
  misses = 0;
  readonly cache: SessionCache;
  private readonly options: SessionsOptions;
  private readonly entries: CacheEntries;
  private readonly stored: StoredSessions;
  private readonly revoker: Revoker;
  private readonly renewal: Renewal | null;
  private readonly serve: ReadServed;
  private readonly loading = new Map<string, Load>();

  constructor(options: SessionsOptions) {
    this.options = options;
    const { redeem, store, now, monotonic, timers = systemTimers, log, audit = NO_AUDIT } = options;
    const read = (application: Application, ticket: Ticket) => this.readFromStore(application, ticket);
    this.cache = new SessionCache(options.cache.max_bytes);
    this.entries = createCacheEntries(options);
    this.stored = new StoredSessions(options);
    this.revoker = new Revoker({ ...options, audit, read, drop: (keys) => this.drop(keys) });
    this.renewal = redeem
      ? new Renewal({
          leases: store.leases,
          redeem,
          now,
          timers,
          log,
          audit,
          read,
          replace: (application, ticket, session) => this.stored.replace(application, ticket, session),
          end: (ticket) => this.revoker.endTicket(ticket, 'refresh'),
        })
      : null;
    this.serve = createReadServed({ read, renewal: this.renewal, now, monotonic, timers, log });
  }

  /**
   * HOT PATH. The cached answer for a cookie, or undefined when the store has to be asked. `time`: monotonic milliseconds, may
   * be a few old.
   */
  peek(cookie: string, application: Application, time: number): CacheEntry | undefined {
    const entry = this.cache.get(cookie);
    if (entry === undefined || entry.application !== application) return undefined;
    if (time < entry.freshUntil) {
      this.hits += 1;
      return entry;
    }
    return this.peekAged(cookie, entry, time);
  }

  /** An aged entry is served once more while it is read again in the background; an ended or stale one is not. */
  private peekAged(cookie: string, entry: CacheEntry, time: number): CacheEntry | undefined {
    if (entry.kind === 'none' || time >= entry.endsAt || time >= entry.staleAt) {
      this.cache.delete(cookie);
      return undefined;
    }
    if (!entry.rereading) {
      entry.rereading = true;
      const ownCookie = copyString(cookie);
      void this.load(ownCookie, entry.application).then((resolution) => {
        if (resolution.kind !== 'unavailable') return;
        entry.rereading = false;
        const retry = this.options.monotonic() + RETRY_AGE * (1 + this.options.random());
        entry.freshUntil = Math.min(retry, entry.endsAt, entry.staleAt);
      });
    }
    this.hits += 1;
    return entry;
  }

  /**
   * Asks the store; callers with the same cookie share one read. Never rejects. `ticket`: what `verifyTicket` made of this
   * very cookie.
   */
  load(cookie: string, application: Application, ticket = verifyTicket(application, cookie)): Promise<Resolution> {
    const running = this.loading.get(cookie);
    // The application is part of the question: the same cookie at another one is another question.
    if (running !== undefined && running.application === application) return running.result;
    if (ticket === null) return Promise.resolve(this.entries.withoutSession(application, ''));
    this.misses += 1;
    const load = this.beginLoad(cookie, application, ticket);
    load.result = this.revoker.refusals.has(ticket.key)
      ? Promise.resolve(this.keep(load, cookie, this.entries.withoutSession(application, ticket.key)))
      : this.options.store.get(ticket.key).then(
          (sealed) => this.finishLoad(load, cookie, ticket, sealed),
          (error: unknown) => this.failLoad(load, cookie, error),
        );
    return load.result;
  }

  /** From here on a revocation of this session is noted, although it is not in the cache yet. */
  private beginLoad(cookie: string, application: Application, ticket: Ticket): Load {
    const load: Load = {
      application,
      key: ticket.key,
      revoked: false,
      outdated: false,
      result: Promise.resolve(STORE_UNAVAILABLE),
    };
    this.loading.set(cookie, load);
    return load;
  }

  /** At once, without a promise, when the record begins with what is answered. Never throws or rejects. */
  private finishLoad(
    load: Load,
    cookie: string,
    ticket: Ticket,
    sealed: Uint8Array | null,
  ): Resolution | Promise<Resolution> {
    const { application } = load;
    try {
      const found = sealed === null ? null : this.stored.open(application, ticket, sealed);
      // A revocation that came in while the store was being read may be newer than what was read.
      if (found === null || load.revoked)
        return this.keep(load, cookie, this.entries.withoutSession(application, ticket.key));
      if ('block' in found) return this.keep(load, cookie, this.entries.forRendered(application, ticket.key, found));
      return this.finishLoadSlowly(load, cookie, ticket, found);
    } catch (error) {
      return this.failLoad(load, cookie, error);
    }
  }

  private async finishLoadSlowly(load: Load, cookie: string, ticket: Ticket, found: Session): Promise<Resolution> {
    const { application } = load;
    try {
      const served = await this.serve(application, ticket, found);
      if (served === 'unreachable' && !load.revoked) {
        this.endLoad(load, cookie);
        return RENEWAL_UNAVAILABLE;
      }
      const session = served === 'unreachable' ? null : served;
      const assertion = session === null ? '' : await this.sign(application, session);
      // Nothing is awaited between here and the cache, so no revocation comes in between either.
      if (session === null || load.revoked)
        return this.keep(load, cookie, this.entries.withoutSession(application, ticket.key));
      if (wantsRenewal(application, session, this.options.now())) void this.renewal?.start(application, ticket);
      return this.keep(load, cookie, this.entries.forSession(application, ticket.key, session, assertion));
    } catch (error) {
      return this.failLoad(load, cookie, error);
    }
  }

  private keep(load: Load, cookie: string, entry: CacheEntry): CacheEntry {
    this.endLoad(load, cookie);
    if (!load.outdated) this.cache.set(cookie, entry);
    return entry;
  }

  private failLoad(load: Load, cookie: string, error: unknown): Unavailable {
    this.endLoad(load, cookie);
    this.options.log.warn({ err: error, provider: load.application.name }, 'the session store cannot be read');
    return STORE_UNAVAILABLE;
  }

  private endLoad(load: Load, cookie: string): void {
    if (this.loading.get(cookie) === load) this.loading.delete(cookie);
  }

  private async sign(application: Application, session: Session): Promise<string> {
    return (await this.options.sign?.(application, session.claims)) ?? '';
  }

  /** The session behind a verified ticket, unless it is refused. Rejects when the store is down. */
  private async readFromStore(application: Application, ticket: Ticket): Promise<Session | null> {
    return this.revoker.refusals.has(ticket.key) ? null : this.stored.read(application, ticket);
  }

  /**
   * The whole session, straight from the store: who is signed in. Its tokens may be over, so it is no reason to let anybody in. Null
   * without one; rejects when the store is down.
   */
  async read(cookie: string, application: Application): Promise<{ session: Session; key: string } | null> {
    const ticket = verifyTicket(application, cookie);
    if (ticket === null) return null;
    const session = await this.readFromStore(application, ticket);
    return session === null ? null : { session, key: ticket.key };
  }

  /** The whole session as a check would serve it. Rejects also when it would have to be renewed and cannot be. */
  async readRenewed(cookie: string, application: Application): Promise<Session | null> {
    return (await this.readServed(cookie, application))?.session ?? null;
  }

  /** The same, and its name in the store. */
  async readServed(cookie: string, application: Application): Promise<{ session: Session; key: string } | null> {
    const ticket = verifyTicket(application, cookie);
    const session = ticket === null ? null : await this.serve(application, ticket, null);
    if (session === 'unreachable') throw new AkproxError('idp_unreachable', 'the session cannot be renewed');
    return session === null || ticket === null ? null : { session, key: ticket.key };
  }

  /** See `sessionsOf`. */
  list(application: Application, sub: string, most: number, own: string): Promise<OwnSessions> {
    return sessionsOf(this.options.store, application, sub, most, own);
  }

  /** See `Revoker.endOthers`. */
  endOthers(
    application: Application,
    sub: string,
    own: string,
    one: string | null,
    by?: () => Requester,
  ): Promise<void> {
    return this.revoker.endOthers(application, sub, own, one, by);
  }

  /** Resolves when this worker is in the middle of no renewal: see `Renewal.idle`. */
  async renewalsOver(): Promise<void> {
    await this.renewal?.idle();
  }

  /** Saves a new session under a new id and answers with its cookie value. */
  async create(application: Application, session: Session): Promise<string> {
    return (await this.begin(application, session)).cookie;
  }

  /** The same, and what is to be said of it. */
  async begin(application: Application, session: Session): Promise<Begun> {
    const { store, log } = this.options;
    const { ticket, cookie } = issueTicket(application);
    // Counts as a load: a revocation that comes in before the store has answered must not be overtaken by the cache.
    const load = this.beginLoad(cookie, application, ticket);
    try {
      await this.stored.put(application, ticket, session);
      const assertion = await this.sign(application, session).catch((error: unknown) => {
        log.warn({ err: error, provider: application.name }, 'a new session could not be given an assertion');
        return null; // not cached; the next check tries again
      });
      const entry = this.entries.forSession(application, ticket.key, session, assertion ?? '');
      // Whoever ended this person's sessions meanwhile may have found its name in an index and nothing to delete.
      if (load.revoked) await store.delete(ticket.key);
      else if (assertion !== null && !load.outdated) this.cache.set(cookie, entry);
      return { cookie, key: ticket.key, kind: entry.kind === 'none' ? 'forbidden' : entry.kind };
    } finally {
      this.loading.delete(cookie);
    }
  }

  /** See `Revoker.signOut`. */
  signOut(cookie: string, application: Application, by?: () => Requester): Promise<SignedOut | null> {
    return this.revoker.signOut(cookie, application, by);
  }

  /** Ends the one session behind a cookie, if it is one, because a new one has taken its place. Rejects when the store is down. */
  async replaced(cookie: string, application: Application, by?: () => Requester): Promise<void> {
    const ticket = verifyTicket(application, cookie);
    if (ticket !== null) await this.revoker.replaceTicket(ticket, application, by);
  }

  /** Ends every session of a user at an application; answers with how many. Rejects when the store is down. */
  endSubject(application: Application, sub: string, source: RevocationSource, by?: () => Requester): Promise<number> {
    return this.revoker.endSubject(application, sub, source, by);
  }

  /** Ends every session with this `sid` at an application; answers with how many. Rejects when the store is down. */
  endSid(application: Application, sid: string, source: RevocationSource, by?: () => Requester): Promise<number> {
    return this.revoker.endSid(application, sid, source, by);
  }

  /** See `Revoker.endSidOf`. */
  endSidOf(
    application: Application,
    whose: { readonly sub: string; readonly sid: string },
    source: RevocationSource,
    by?: () => Requester,
  ): Promise<number> {
    return this.revoker.endSidOf(application, whose, source, by);
  }

  /** Ends every session of a provider; answers with their keys. Rejects when the store is down. */
  endProvider(provider: string, source: RevocationSource): Promise<string[]> {
    return this.revoker.endProvider(provider, source);
  }

  /** Of sessions that have ended elsewhere: a check asks the store again. */
  forget(keys: readonly string[]): void {
    this.drop(new Set(keys));
  }

  /**
   * Whether a logout token was used before, on any worker or node (OIDC Back-Channel Logout §2.6); `remember` it once its
   * sessions have ended, so that a failed attempt can be made again.
   */
  isUsed(issuer: string, jti: string): Promise<boolean> {
    return isUsed(this.options.store.leases, issuer, jti);
  }

  remember(issuer: string, jti: string): Promise<void> {
    return remember(this.options.store.leases, issuer, jti);
  }

  /** After a time in which revocations may have been missed: nothing that was learnt before counts any more. */
  clear(): void {
    this.cache.clear();
    for (const load of this.loading.values()) load.outdated = true;
  }

  private drop(keys: ReadonlySet<string>): void {
    for (const key of keys) this.cache.revoke(key);
    for (const load of this.loading.values()) if (keys.has(load.key)) load.revoked = true;
  }

  /** Revocations that were received or made here, by source. */
  get revocations(): Revoker['revocations'] {
    return this.revoker.revocations;
  }

  /** How long received revocations took, in seconds. */
  get lag(): Revoker['lag'] {
    return this.revoker.lag;
  }
}
