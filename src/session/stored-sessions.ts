// Sessions as they lie in the store: records (record.ts) under a name that says nothing of the cookie, indexed by keyed hashes. What
// does not open is no session, and is removed.
import type { Application } from '../application/application.js';
import type { GatedLog } from '../infra/log-gate.js';
import { isOfLaterFormat, openRecord, type Rendered, sealRecord } from './record.js';
import { endOf, type Session } from './session.js';
import { indexHash, sidHash } from './session-keys.js';
import type { SealedSession, SessionStore } from './store.js';
import { sealSummary } from './summary.js';
import type { Ticket } from './ticket.js';

export interface StoredSessionsOptions {
  readonly store: SessionStore;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly log: GatedLog;
}

export class StoredSessions {
  private readonly options: StoredSessionsOptions;

  constructor(options: StoredSessionsOptions) {
    this.options = options;
  }

  /**
   * The session behind a verified ticket, whose tokens may be over; null when there is none, or none any more. Rejects when the store
   * is down.
   */
  async read(application: Application, ticket: Ticket): Promise<Session | null> {
    const record = await this.options.store.get(ticket.key);
    if (record === null) return null;
    const session = openRecord(application, ticket, record)?.session(application) ?? null;
    if (session === null) await this.remove(application, ticket, record);
    return this.unlessOver(session);
  }

  /**
   * The same of what `store.get` has answered. Where the record begins with what a check is answered with, and that counts, no more of
   * it is read.
   */
  open(application: Application, ticket: Ticket, record: Uint8Array): Session | Rendered | null {
    const opened = openRecord(application, ticket, record);
    const rendered = opened === null ? null : opened.rendered(application, this.options.now());
    if (rendered !== null) return rendered;
    const session = opened === null ? null : opened.session(application);
    if (session === null) void this.remove(application, ticket, record);
    return this.unlessOver(session);
  }

  private unlessOver(session: Session | null): Session | null {
    return session !== null && endOf(session) > this.options.now() ? session : null;
  }

  /** It is none, whether it can be removed or not. */
  private async remove(application: Application, ticket: Ticket, record: Uint8Array): Promise<void> {
    const { store, log } = this.options;
    const facts = { provider: application.name };
    if (isOfLaterFormat(record)) {
      log.warn(facts, 'a stored session was written by a later version and cannot be read; it is left as it is');
      return;
    }
    log.warn(facts, 'stored session removed: it cannot be decrypted');
    try {
      await store.delete(ticket.key);
    } catch (error) {
      log.debug({ err: error }, 'a session that cannot be decrypted could not be removed');
    }
  }

  put(application: Application, ticket: Ticket, session: Session): Promise<void> {
    return this.options.store.put(sealFor(application, ticket, session));
  }

  /** Saves a renewed session where the old one was. False: it is gone, and stays so. */
  replace(application: Application, ticket: Ticket, session: Session): Promise<boolean> {
    return this.options.store.replace(sealFor(application, ticket, session));
  }
}

function sealFor(application: Application, ticket: Ticket, session: Session): SealedSession {
  return {
    key: ticket.key,
    value: sealRecord(application, ticket, session),
    expiresAt: endOf(session),
    subject: indexHash(application, 'sub', session.claims.sub),
    sid: sidHash(application, session.claims),
    provider: application.name,
    summary: sealSummary(application, ticket.key, session),
  };
}
