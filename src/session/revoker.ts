// How sessions end before their time: deleted from the store, dropped from this worker's cache, published to all others, in
// this order. What the store cannot delete is refused from then on.
import { randomUUID } from 'node:crypto';
import type { Application } from '../application/application.js';
import { Buckets } from '../infra/buckets.js';
import type { GatedLog } from '../infra/log-gate.js';
import { type Audit, type Ended, type Person, personOf, type Requester, writeEnded } from './audit.js';
import { Refusals } from './refusals.js';
import { LAG_BOUNDS, type Revocation, type RevocationChannel, type RevocationSource } from './revocation.js';
import type { Session } from './session.js';
import { indexHash, sidHash } from './session-keys.js';
import type { SessionStore } from './store.js';
import { type Ticket, verifyTicket } from './ticket.js';

export interface RevokerOptions {
  readonly store: SessionStore;
  readonly channel: RevocationChannel;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly log: GatedLog;
  readonly audit: Audit;
  readonly read: (application: Application, ticket: Ticket) => Promise<Session | null>;
  /** Nothing that this worker knows of these sessions counts any more. */
  readonly drop: (keys: ReadonlySet<string>) => void;
}

/** What a sign-out has done. */
export interface SignedOut {
  /** For `id_token_hint`; null when it is not known. */
  readonly idToken: string | null;
  /** False: the store could not delete what it has; it is refused all the same, but sessions of other browsers may live on. */
  readonly deleted: boolean;
}

type Revoked = Ended & { readonly reason: RevocationSource };

const NOBODY: Person = { subject: '', user: '' };
/** Longer than a message is on its way to the slowest of them, in milliseconds. */
const CLAIM = 60_000;

export class Revoker {
  /** Revocations that were received or made here, by source, and how long the received ones took. */
  readonly revocations = new Map<RevocationSource, number>();
  readonly lag = new Buckets(LAG_BOUNDS);
  readonly refusals: Refusals;
  private readonly options: RevokerOptions;

  constructor(options: RevokerOptions) {
    this.options = options;
    this.refusals = new Refusals(options.monotonic);
    options.channel.subscribe((revocation) => this.receive(revocation));
  }

  /**
   * Ends the session behind a cookie and every other of its user at this application; null when the cookie is none of ours.
   * What the store cannot delete is refused by every worker of this host from now on. Rejects when there is no room to
   * remember that.
   */
  async signOut(cookie: string, application: Application, by?: () => Requester): Promise<SignedOut | null> {
    const ticket = verifyTicket(application, cookie);
    if (ticket === null) return null;
    const { store, log, now } = this.options;
    const keys = new Set([ticket.key]);
    let session: Session | null = null;
    try {
      session = await this.options.read(application, ticket);
      const subject = session === null ? null : indexHash(application, 'sub', session.claims.sub);
      if (subject !== null) for (const key of await store.listSubject(subject)) keys.add(key);
      // Its own session first: a sign-out whose first attempt lost its answer is complete after the second.
      await store.delete(ticket.key);
      if (subject !== null) for (const key of await store.deleteSubject(subject)) keys.add(key);
      this.revoke([...keys], 'sign_out');
      if (session !== null) this.tellSignOut(application, session, [...keys], 'deleted', by);
      return { idToken: session?.idToken ?? null, deleted: true };
    } catch (error) {
      // Longer than any of them can last.
      const refusedUntil = now() + application.config.session.lifetime;
      if (!this.refuse([...keys], refusedUntil)) throw error;
      log.warn(
        { err: error, provider: application.name },
        'sign-out: the session could not be deleted; it is refused on this host',
      );
      this.revoke([...keys], 'sign_out', refusedUntil);
      this.tellSignOut(application, session, [...keys], 'refused_from_now_on', by);
      return { idToken: session?.idToken ?? null, deleted: false };
    }
  }

  /** `keys`: that of the session itself first. */
  private tellSignOut(
    application: Application,
    session: Session | null,
    [own = '', ...others]: readonly string[],
    result: 'deleted' | 'refused_from_now_on',
    by: (() => Requester) | undefined,
  ): void {
    const { audit } = this.options;
    const person = session === null ? NOBODY : personOf(application, session.claims);
    const about = { provider: application.name, ...person, by };
    audit.write({ ...about, audit: 'sign_out', result, session: own });
    writeEnded(audit, { ...about, reason: 'sign_out' }, others);
  }

  /** `until`: Unix milliseconds. False when there is no room. */
  private refuse(keys: readonly string[], until: number): boolean {
    const { now, monotonic } = this.options;
    return this.refusals.add(keys, monotonic() + until - now());
  }

  /** Ends one session. Rejects when the store is down. */
  async endTicket(ticket: Ticket, source: RevocationSource): Promise<void> {
    try {
      await this.options.store.delete(ticket.key);
    } finally {
      // Published in any case: the store may have deleted it although its answer was lost, and a cache that drops too much
      // only asks the store once more.
      this.revoke([ticket.key], source);
    }
  }

  /** The same, of one that a login has taken the place of. */
  async replaceTicket(ticket: Ticket, application: Application, by?: () => Requester): Promise<void> {
    const subject = await this.subjectOf(ticket.key);
    await this.endTicket(ticket, 'replaced');
    if (subject === '') return;
    const ended: Revoked = { provider: application.name, subject, user: '', reason: 'replaced', by };
    writeEnded(this.options.audit, ended, [ticket.key]);
  }

  /** Ends every session of a user at an application; answers with how many. Rejects when the store is down. */
  async endSubject(
    application: Application,
    sub: string,
    source: RevocationSource,
    by?: () => Requester,
  ): Promise<number> {
    const { store } = this.options;
    const subject = indexHash(application, 'sub', sub);
    const ended: Revoked = { provider: application.name, subject, user: '', reason: source, by };
    return this.endAll(await store.listSubject(subject), store.deleteSubject(subject), ended);
  }

  /** Ends every session with this `sid` at an application; answers with how many. Rejects when the store is down. */
  endSid(application: Application, sid: string, source: RevocationSource, by?: () => Requester): Promise<number> {
    return this.endIndexed(application, indexHash(application, 'sid', sid), source, by);
  }

  /**
   * What a logout token with both ends: the sessions of the `sid`, and those of the person of which nobody has ever said a `sid`, for any of
   * them may be the one that is meant (OIDC Back-Channel Logout 1.0 §2.7).
   */
  async endSidOf(
    application: Application,
    { sub, sid }: { readonly sub: string; readonly sid: string },
    source: RevocationSource,
    by?: () => Requester,
  ): Promise<number> {
    const ended = await this.endSid(application, sid, source, by);
    if (sub === '') return ended;
    return ended + (await this.endIndexed(application, sidHash(application, { sub, sid: '' }), source, by));
  }

  private async endIndexed(
    application: Application,
    index: string,
    source: RevocationSource,
    by: (() => Requester) | undefined,
  ): Promise<number> {
    const { store } = this.options;
    const listed = await store.listSid(index);
    // Anybody may name one at P/frontchannel_logout: what nobody has costs no write.
    const [first] = listed;
    if (first === undefined) return 0;
    // A `sid` is one session of one person at the identity provider; without one they are those of one person too.
    const subject = await this.subjectOf(first);
    const ended: Revoked = { provider: application.name, subject, user: '', reason: source, by };
    return this.endAll(listed, store.deleteSid(index), ended);
  }

  /**
   * Ends the other sessions of a user at an application: `one` of them, or all. One that is somebody else's stays. Rejects when the store
   * is down; what has ended until then is published.
   */
  async endOthers(
    application: Application,
    sub: string,
    own: string,
    one: string | null,
    by?: () => Requester,
  ): Promise<void> {
    const { store, audit } = this.options;
    const subject = indexHash(application, 'sub', sub);
    const keys = (await store.listSubject(subject)).filter((key) => key !== own && (one === null || key === one));
    const ended: string[] = [];
    try {
      for (const key of keys) if (await store.delete(key)) ended.push(key);
    } finally {
      writeEnded(audit, { provider: application.name, subject, user: '', reason: 'own_sessions', by }, ended);
      this.revoke(keys, 'sign_out');
    }
  }

  /** Ends every session of a provider, which may be one that is no more; answers with their keys. Rejects when the store is down. */
  async endProvider(provider: string, source: RevocationSource): Promise<string[]> {
    const keys = await this.options.store.deleteProvider(provider);
    writeEnded(this.options.audit, { provider, subject: '', user: '', reason: source }, keys);
    this.revoke(keys, source);
    return keys;
  }

  /** For the log alone: an end does not fail because of it. */
  private subjectOf(key: string): Promise<string> {
    return this.options.store.subjectOf(key).catch(() => '');
  }

  /** `listed` before the first of them was deleted: whoever fails half-way still publishes those that are gone. */
  private async endAll(
    listed: readonly string[],
    deletion: Promise<readonly string[]>,
    ended: Revoked,
  ): Promise<number> {
    const keys = new Set(listed);
    try {
      const removed = await deletion;
      for (const key of removed) keys.add(key);
      writeEnded(this.options.audit, ended, removed);
      return removed.length;
    } catch (error) {
      this.options.audit.write({
        ...ended,
        audit: 'session_ended',
        session: '',
        sessions: listed.length,
        incomplete: true,
      });
      throw error;
    } finally {
      this.revoke([...keys], ended.reason);
    }
  }

  private revoke(keys: readonly string[], source: RevocationSource, refusedUntil?: number): void {
    if (keys.length === 0) return;
    const revocation = { keys, source, at: this.options.now(), ...(refusedUntil !== undefined && { refusedUntil }) };
    this.apply(revocation);
    this.options.channel.publish(revocation);
  }

  private receive(revocation: Revocation): void {
    const { keys, refusedUntil } = revocation;
    void this.tellForAll(revocation);
    if (refusedUntil !== undefined && !this.refuse(keys, refusedUntil))
      this.options.log.error({ keys: keys.length }, 'no room to refuse more sessions that could not be deleted');
    // Between nodes this is off by as much as their clocks differ.
    this.lag.observe(Math.max(0, this.options.now() - revocation.at) / 1_000);
    this.apply(revocation);
  }

  private apply(revocation: Revocation): void {
    this.revocations.set(revocation.source, (this.revocations.get(revocation.source) ?? 0) + revocation.keys.length);
    this.options.drop(new Set(revocation.keys));
  }

  /** What an operator did beside the daemons: one worker of the fleet writes it. All of them, while they cannot agree on one. */
  private async tellForAll({ audit: told, keys, source, at }: Revocation): Promise<void> {
    const [first] = keys;
    if (told === undefined || first === undefined) return;
    const { store, audit } = this.options;
    const isOurs = await store.leases.acquire(`audit ${at} ${first}`, CLAIM, randomUUID()).catch(() => true);
    if (!isOurs) return;
    const { provider, subject, sessions } = told;
    writeEnded(audit, { provider, subject, user: '', reason: source }, keys, sessions);
  }
}
