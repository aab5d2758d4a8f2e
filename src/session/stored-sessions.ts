// Sessions as they lie in the store: sealed under a key that only the cookie has, indexed by keyed hashes. What does not open
// is no session, and is removed.
import type { Application } from '../application/application.js';
import type { GatedLog } from '../infra/log-gate.js';
import { seal, unseal } from '../infra/seal.js';
import { decodeSession, encodeSession, endOf, type Session } from './session.js';
import { indexHash, sessionKey } from './session-keys.js';
import type { SealedSession, SessionStore } from './store.js';
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
    const { store, now, log } = this.options;
    const sealed = await store.get(ticket.key);
    if (sealed === null) return null;
    const plain = unseal(sessionKey(ticket.id), sealContext(application, ticket.key), sealed);
    const session = plain === null ? null : decodeSession(plain);
    if (session === null || session.provider !== application.id) {
      log.warn({ provider: application.name }, 'stored session removed: it cannot be decrypted');
      // It is none, whether it can be removed or not.
      await store
        .delete(ticket.key)
        .catch((error: unknown) =>
          log.debug({ err: error }, 'a session that cannot be decrypted could not be removed'),
        );
      return null;
    }
    return endOf(session) > now() ? session : null;
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
    value: seal(sessionKey(ticket.id), sealContext(application, ticket.key), encodeSession(session)),
    expiresAt: endOf(session),
    subject: indexHash(application, 'sub', session.claims.sub),
    sid: session.claims.sid === '' ? '' : indexHash(application, 'sid', session.claims.sid),
    provider: application.name,
  };
}

/** A sealed value moved to another key or application does not open. */
function sealContext(application: Application, key: string): string {
  return `${application.id}\0${key}`;
}
