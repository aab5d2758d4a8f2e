// How sessions end before their time: deleted from the store, dropped from this worker's cache, published to all others, in
// this order. What the store cannot delete is refused from then on.
import type { Application } from '../application/application.js';
import { Buckets } from '../infra/buckets.js';
import type { GatedLog } from '../infra/log-gate.js';
import { Refusals } from './refusals.js';
import { LAG_BOUNDS, type Revocation, type RevocationChannel, type RevocationSource } from './revocation.js';
import type { Session } from './session.js';
import { indexHash } from './session-keys.js';
import type { SessionStore } from './store.js';
import { type Ticket, verifyTicket } from './ticket.js';

export interface RevokerOptions {
  readonly store: SessionStore;
  readonly channel: RevocationChannel;
  readonly now: () => number;
  readonly monotonic: () => number;
  readonly log: GatedLog;
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
  async signOut(cookie: string, application: Application): Promise<SignedOut | null> {
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
      return { idToken: session?.idToken ?? null, deleted: false };
    }
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

  /** Ends every session of a user at an application; answers with how many. Rejects when the store is down. */
  async endSubject(application: Application, sub: string, source: RevocationSource): Promise<number> {
    const { store } = this.options;
    const subject = indexHash(application, 'sub', sub);
    return this.endAll(await store.listSubject(subject), store.deleteSubject(subject), source);
  }

  /** Ends every session with this `sid` at an application; answers with how many. Rejects when the store is down. */
  async endSid(application: Application, sid: string, source: RevocationSource): Promise<number> {
    const { store } = this.options;
    const index = indexHash(application, 'sid', sid);
    const listed = await store.listSid(index);
    // Anybody may name one at P/frontchannel_logout: what nobody has costs no write.
    return listed.length === 0 ? 0 : this.endAll(listed, store.deleteSid(index), source);
  }

  /** `listed` before the first of them was deleted: whoever fails half-way still publishes those that are gone. */
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
      this.revoke([...keys], source);
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
}
