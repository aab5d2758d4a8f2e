// Sessions of one worker: cache in front, store behind, revocations from the side.
// `peek` is on the hot path; everything else may be slow. An outage of the store ends nobody's session.

import type { Application } from '../application/application.js';
import { verdictOn } from '../application/verdict.js';
import { Buckets } from '../infra/buckets.js';
import type { GatedLog } from '../infra/log-gate.js';
import { type CacheEntry, SessionCache } from './cache.js';
import { Refusals } from './refusals.js';
import { isBeingRenewed, Renewal, type RenewalOptions, renewalDue } from './renewal.js';
import { LAG_BOUNDS, type Revocation, type RevocationChannel, type RevocationSource } from './revocation.js';
import { indexHash, seal, sessionKey, unseal } from './seal.js';
import { decodeSession, encodeSession, type Session } from './session.js';
import type { SealedSession, SessionStore } from './store.js';
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
  /** 0 ≤ x < 1; spreads re-reads, so that sessions loaded together do not expire together. */
  readonly random: () => number;
  readonly log: GatedLog;
}

/** What a cookie is worth, once the store has been asked. */
export type Resolution = CacheEntry | { readonly kind: 'unavailable' };

/** What a sign-out has done. */
export interface SignedOut {
  /** For `id_token_hint`; null when it is not known. */
  readonly idToken: string | null;
  /** False: the store could not delete what it has; it is refused all the same, but sessions of other browsers may live on. */
  readonly deleted: boolean;
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

const UNAVAILABLE: Resolution = { kind: 'unavailable' };
/** How often a session that wants to be renewed is read again, in milliseconds. */
const RENEWAL_PAUSE = 2_000;
/** A verified cookie without a session is remembered this long, so that a signed-out tab does not poll the store. */
const NEGATIVE_AGE = 10_000;
/** After a failed background read the next one waits 1 to 2 s. */
const RETRY_AGE = 1_000;

export class Sessions {
  private readonly options: SessionsOptions;
  hits = 0;
  misses = 0;
  /** Revocations heard of or made here, by source, and how long the heard ones took. */
  readonly revocations = new Map<RevocationSource, number>();
  readonly lag = new Buckets(LAG_BOUNDS);
  readonly cache: SessionCache;
  private readonly loading = new Map<string, Load>();

  private readonly refusals: Refusals;
  private readonly renewal: Renewal | null;

  constructor(options: SessionsOptions) {
    this.options = options;
    const { store, redeem, now, log } = options;
    this.renewal = redeem
      ? new Renewal({
          leases: store.leases,
          redeem,
          now,
          log,
          read: (application, ticket) => this.fetch(application, ticket),
          replace: (application, ticket, session) => this.replace(application, ticket, session),
          end: (ticket) => this.endTicket(ticket, 'refresh'),
        })
      : null;
    this.refusals = new Refusals(options.monotonic);
    this.cache = new SessionCache(options.cache.max_bytes);
    options.channel.subscribe((revocation) => this.hear(revocation));
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
    if (!entry.refreshing) {
      entry.refreshing = true;
      const ownCookie = Buffer.from(cookie, 'latin1').toString('latin1');
      void this.resolve(ownCookie, entry.application).then((resolution) => {
        if (resolution.kind !== 'unavailable') return;
        entry.refreshing = false;
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
  resolve(cookie: string, application: Application, ticket = verifyTicket(application, cookie)): Promise<Resolution> {
    const running = this.loading.get(cookie);
    // The provider is part of the question: the same cookie at another provider is another question.
    if (running !== undefined && running.application === application) return running.result;
    if (ticket === null) return Promise.resolve(this.nobody(application, ''));
    this.misses += 1;
    const load = this.beginLoad(cookie, application, ticket);
    load.result = this.load(cookie, application, ticket, load);
    return load.result;
  }

  /** From here on a revocation of this session is noted, although it is not in the cache yet. */
  private beginLoad(cookie: string, application: Application, ticket: Ticket): Load {
    const load: Load = {
      application,
      key: ticket.key,
      revoked: false,
      outdated: false,
      result: Promise.resolve(UNAVAILABLE),
    };
    this.loading.set(cookie, load);
    return load;
  }

  private async load(cookie: string, application: Application, ticket: Ticket, load: Load): Promise<Resolution> {
    let session: Session | null;
    try {
      session = await this.fetch(application, ticket);
    } catch (error) {
      this.options.log.warn({ err: error, provider: application.name }, 'the session store cannot be read');
      return UNAVAILABLE;
    } finally {
      // Nothing is awaited between here and the cache, so no revocation comes in between either.
      if (this.loading.get(cookie) === load) this.loading.delete(cookie);
    }
    // A revocation that came in while the store was being read may be newer than what was read.
    if (load.revoked) session = null;
    if (session !== null && this.options.now() >= renewalDue(session)) void this.renewal?.start(application, ticket);
    const entry =
      session === null ? this.nobody(application, ticket.key) : this.render(application, ticket.key, session);
    if (!load.outdated) this.cache.set(cookie, entry);
    return entry;
  }

  /** The session behind a verified ticket, or null. Rejects when the store is down. */
  private async fetch(application: Application, ticket: Ticket): Promise<Session | null> {
    if (this.refusals.has(ticket.key)) return null;
    const sealed = await this.options.store.get(ticket.key);
    if (sealed === null) return null;
    const plain = unseal(sessionKey(ticket.id), sealContext(application, ticket.key), sealed);
    const session = plain === null ? null : decodeSession(plain);
    if (session === null || session.provider !== application.id) {
      this.options.log.warn({ provider: application.name }, 'a stored session could not be opened; removed');
      // It is none, whether it can be removed or not.
      await this.options.store
        .delete(ticket.key)
        .catch((error: unknown) => this.options.log.debug({ err: error }, 'a damaged session could not be removed'));
      return null;
    }
    return session.expiresAt > this.options.now() ? session : null;
  }

  private render(application: Application, key: string, session: Session): CacheEntry {
    const time = this.options.monotonic();
    // What is said in Unix time is turned into an age here, once: no later step of the wall clock ends what is cached.
    const epoch = time - this.options.now();
    const endsAt = epoch + session.expiresAt;
    const { max_age, stale_max } = this.options.cache;
    const verdict = verdictOn(application, session.claims, session.jwt, this.options.log);
    // When it wants to be renewed it is read again, at once and then every few seconds until somebody has renewed it.
    const again = time + RENEWAL_PAUSE;
    const due = isBeingRenewed(session, this.options.now()) ? again : Math.max(epoch + renewalDue(session), again);
    // Up to a quarter earlier, at random: sessions that came in together are not read again together.
    const age = Math.min(max_age, stale_max) * (1 - this.options.random() / 4);
    return {
      kind: verdict.kind,
      application,
      block: verdict.kind === 'allow' ? verdict.block : application.anonymousBlock,
      key,
      endsAt,
      staleAt: time + stale_max,
      freshUntil: Math.min(time + age, endsAt, due),
      refreshing: false,
    };
  }

  private nobody(application: Application, key: string): CacheEntry {
    const until = this.options.monotonic() + NEGATIVE_AGE;
    return {
      kind: 'none',
      application,
      block: application.anonymousBlock,
      key,
      endsAt: until,
      staleAt: until,
      freshUntil: until,
      refreshing: false,
    };
  }

  /** The whole session, straight from the store. Null without one; rejects when the store is down. */
  async read(cookie: string, application: Application): Promise<{ session: Session; key: string } | null> {
    const ticket = verifyTicket(application, cookie);
    if (ticket === null) return null;
    const session = await this.fetch(application, ticket);
    return session === null ? null : { session, key: ticket.key };
  }

  /** Saves a new session under a new id and answers with its cookie value. */
  async create(application: Application, session: Session): Promise<string> {
    const { ticket, cookie } = issueTicket(application);
    // Counts as a load: a revocation that comes in before the store has answered must not be overtaken by the cache.
    const load = this.beginLoad(cookie, application, ticket);
    try {
      await this.options.store.put(this.sealFor(application, ticket, session));
      // Whoever ended this person's sessions meanwhile may have found its name in an index and nothing to delete.
      if (load.revoked) await this.options.store.delete(ticket.key);
      else if (!load.outdated) this.cache.set(cookie, this.render(application, ticket.key, session));
    } finally {
      this.loading.delete(cookie);
    }
    return cookie;
  }

  /** Saves a renewed session where the old one was. False: it is gone, and stays so. */
  private async replace(application: Application, ticket: Ticket, session: Session): Promise<boolean> {
    return this.options.store.replace(this.sealFor(application, ticket, session));
  }

  private sealFor(application: Application, ticket: Ticket, session: Session): SealedSession {
    return {
      key: ticket.key,
      value: seal(sessionKey(ticket.id), sealContext(application, ticket.key), encodeSession(session)),
      expiresAt: session.expiresAt,
      subject: indexHash(application, 'sub', session.claims.sub),
      sid: session.claims.sid === '' ? '' : indexHash(application, 'sid', session.claims.sid),
      provider: application.name,
    };
  }

  /**
   * Ends the session behind a cookie and every other of its user at this provider; null when the cookie is none of ours. What the store
   * cannot delete is refused by every worker of this host from now on. Rejects when there is no room to remember that.
   */
  async signOut(cookie: string, application: Application): Promise<SignedOut | null> {
    const ticket = verifyTicket(application, cookie);
    if (ticket === null) return null;
    const { store, log, now } = this.options;
    const keys = new Set([ticket.key]);
    let session: Session | null = null;
    try {
      session = await this.fetch(application, ticket);
      const subject = session === null ? null : indexHash(application, 'sub', session.claims.sub);
      if (subject !== null) for (const key of await store.listSubject(subject)) keys.add(key);
      // Its own session first: a sign-out whose first attempt lost its answer is complete after the second.
      await store.delete(ticket.key);
      if (subject !== null) for (const key of await store.deleteSubject(subject)) keys.add(key);
      this.tell([...keys], 'sign_out');
      return { idToken: session?.idToken ?? null, deleted: true };
    } catch (error) {
      // Longer than any of them can last.
      const refusedUntil = now() + application.config.session.lifetime;
      if (!this.refuse([...keys], refusedUntil)) throw error;
      log.warn(
        { err: error, provider: application.name },
        'a sign-out could not delete the session; it is refused here',
      );
      this.tell([...keys], 'sign_out', refusedUntil);
      return { idToken: session?.idToken ?? null, deleted: false };
    }
  }

  /** `until`: Unix milliseconds. False when there is no room. */
  private refuse(keys: readonly string[], until: number): boolean {
    const { now, monotonic } = this.options;
    return this.refusals.add(keys, monotonic() + until - now());
  }

  /** Ends the one session behind a cookie, if it is one. Rejects when the store is down. */
  async end(cookie: string, application: Application, source: RevocationSource): Promise<void> {
    const ticket = verifyTicket(application, cookie);
    if (ticket !== null) await this.endTicket(ticket, source);
  }

  private async endTicket(ticket: Ticket, source: RevocationSource): Promise<void> {
    try {
      await this.options.store.delete(ticket.key);
    } finally {
      // Told in any case: the store may have deleted it although its answer was lost, and a cache that is told too much
      // only asks the store once more.
      this.tell([ticket.key], source);
    }
  }

  /** Ends every session of a user at a provider. Rejects when the store is down. */
  async endSubject(application: Application, sub: string, source: RevocationSource): Promise<number> {
    const { store } = this.options;
    const subject = indexHash(application, 'sub', sub);
    return this.endAll(await store.listSubject(subject), store.deleteSubject(subject), source);
  }

  /** Ends every session with this `sid` at a provider. Rejects when the store is down. */
  async endSid(application: Application, sid: string, source: RevocationSource): Promise<number> {
    const { store } = this.options;
    const index = indexHash(application, 'sid', sid);
    return this.endAll(await store.listSid(index), store.deleteSid(index), source);
  }

  /** `listed` before the first of them was deleted: whoever fails half-way still tells of those that are gone. */
  private async endAll(
    listed: readonly string[],
    deletion: Promise<readonly string[]>,
    source: RevocationSource,
  ): Promise<number> {
    const keys = new Set(listed);
    try {
      const removed = await deletion;
      for (const key of removed) keys.add(key);
      return removed.length;
    } finally {
      this.tell([...keys], source);
    }
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

  private tell(keys: readonly string[], source: RevocationSource, refusedUntil?: number): void {
    if (keys.length === 0) return;
    const revocation = { keys, source, at: this.options.now(), ...(refusedUntil !== undefined && { refusedUntil }) };
    this.apply(revocation);
    this.options.channel.publish(revocation);
  }

  private hear(revocation: Revocation): void {
    const { keys, refusedUntil } = revocation;
    if (refusedUntil !== undefined && !this.refuse(keys, refusedUntil))
      this.options.log.error({ keys: keys.length }, 'no room to refuse more sessions that could not be deleted');
    // Between nodes this is off by as much as their clocks differ.
    this.lag.observe(Math.max(0, this.options.now() - revocation.at) / 1_000);
    this.apply(revocation);
  }

  /** After a time in which revocations may have been missed: nothing that was learnt before counts any more. */
  forget(): void {
    this.cache.clear();
    for (const load of this.loading.values()) load.outdated = true;
  }

  private apply(revocation: Revocation): void {
    this.revocations.set(revocation.source, (this.revocations.get(revocation.source) ?? 0) + revocation.keys.length);
    const keys = new Set(revocation.keys);
    for (const key of keys) this.cache.revoke(key);
    for (const load of this.loading.values()) if (keys.has(load.key)) load.revoked = true;
  }
}

/** A sealed value moved to another key or provider does not open. */
function sealContext(application: Application, key: string): string {
  return `${application.id}\0${key}`;
}
