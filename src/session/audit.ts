// The audit: who got in, when, and why not (contract §6b). A line is written by whoever brings the event about, once: where a session is
// ended, not by everybody who hears of it. A new kind of line is a new member of `AuditEvent`, with its text in `textOf`.
import type { Logger } from 'pino';
import type { Application } from '../application/application.js';
import type { Claims } from '../application/claims.js';
import type { Config } from '../config/schema.js';
import { createLogGate } from '../infra/log-gate.js';
import type { RevocationSource } from './revocation.js';
import { indexHash } from './session-keys.js';

/** Who asks, as far as the log is concerned: no verdict depends on it. */
export interface Requester {
  readonly client: string;
  /** Of the proxy; '' without one. */
  readonly requestId: string;
}

/** '' for what is not known. */
export interface Person {
  /** The hash by which the store, `akprox sessions` and the log know a `sub` of an application. */
  readonly subject: string;
  /** Written with `log.audit: user` only. */
  readonly user: string;
}

interface Event {
  /** Name of the application. */
  readonly provider: string;
  /** Read when the line is written. */
  readonly by?: (() => Requester) | undefined;
}

interface OfPerson extends Event, Person {
  /** Name of the session in the store; '' without one. */
  readonly session: string;
}

export type AuditEvent =
  | (OfPerson & { readonly audit: 'login'; readonly result: 'succeeded' })
  /** Signed in, and may not pass. */
  | (OfPerson & { readonly audit: 'login'; readonly result: 'forbidden'; readonly reason: string })
  | (Event & {
      readonly audit: 'login';
      /** By the identity provider or the person; everything else that was in its way. */
      readonly result: 'denied' | 'failed';
      /** An `ErrorCode`. */
      readonly reason: string;
      /** Of the line that says more, which is on the person's page too. */
      readonly reference?: string | null;
    })
  | (OfPerson & { readonly audit: 'sign_out'; readonly result: 'deleted' | 'refused_from_now_on' })
  | (OfPerson & { readonly audit: 'session_renewed' })
  | (OfPerson & {
      readonly audit: 'session_ended';
      /** `own_sessions`: by the person, on P/sessions. */
      readonly reason: RevocationSource | 'tokens_over' | 'own_sessions';
      /** In place of `session`: so many, of which no line of their own is written. */
      readonly sessions?: number;
      /** The store failed on the way: some of them may be there still. */
      readonly incomplete?: true;
    })
  | (OfPerson & { readonly audit: 'access_denied'; readonly reason: string; readonly host: string })
  | (Event & { readonly audit: 'credentials_refused'; readonly reason: string; readonly scheme: 'basic' | 'bearer' });

export interface Audit {
  write(event: AuditEvent): void;
}

export const NO_AUDIT: Audit = { write: () => {} };

/** Of one act, such as a logout of somebody with many sessions. */
const MOST_LINES = 100;
const LONGEST_USER = 200;
const SESSION_LETTERS = 8;

/** Events that a stranger can cause, by kind, provider and reason; in a minute, as everywhere. */
const REFUSALS = { kinds: 4_096, about: 30, ofText: 600 };
/** One line for a person, whatever they ask for. */
const DENIALS = { kinds: 4_096, about: 10_000, ofText: 10_000 };

export interface AuditOptions {
  readonly log: Logger;
  /** Milliseconds. */
  readonly monotonic: () => number;
  /** Asked at each event: a new configuration may change it. */
  readonly mode: () => Config['log']['audit'];
}

export function createAudit({ log, monotonic, mode }: AuditOptions): Audit {
  // Whoever wants an audit wants it at any `log.level`.
  const lines = log.child({}, { level: log.level === 'silent' ? 'silent' : 'info' });
  const refusals = createLogGate(monotonic, REFUSALS);
  const denials = createLogGate(monotonic, DENIALS);
  let refused = 0;

  /** How many lines of this kind were held back; null: this one too. */
  function pass(event: AuditEvent): number | null {
    if (event.audit === 'access_denied')
      return denials.pass(`${event.audit}\0${event.provider}`, event.subject || event.session);
    if (event.audit !== 'credentials_refused' && !isRefusedLogin(event)) return 0;
    refused += 1;
    return refusals.pass(`${event.audit}\0${event.provider}\0${event.reason}`, String(refused));
  }

  return {
    write(event) {
      const shown = mode();
      if (shown === 'none') return;
      const held = pass(event);
      if (held === null) return;
      const { by, ...facts } = event;
      const from = by?.();
      const person = 'subject' in event ? event : null;
      lines.info(
        {
          ...facts,
          subject: person?.subject || undefined,
          user: shown === 'user' ? person?.user.slice(0, LONGEST_USER) || undefined : undefined,
          session: shownSession(person?.session ?? ''),
          client: from?.client || undefined,
          request_id: from?.requestId || undefined,
          held: held > 0 ? held : undefined,
        },
        textOf(event),
      );
    },
  };
}

function isRefusedLogin(event: AuditEvent): event is Extract<AuditEvent, { result: 'denied' | 'failed' }> {
  return event.audit === 'login' && (event.result === 'denied' || event.result === 'failed');
}

function textOf(event: AuditEvent): string {
  switch (event.audit) {
    case 'login':
      if (event.result === 'succeeded') return 'signed in';
      return event.result === 'forbidden' ? 'signed in, and may not use this application' : 'login refused';
    case 'sign_out':
      return 'signed out';
    case 'session_renewed':
      return 'session renewed';
    case 'session_ended':
      return event.sessions === undefined ? 'session ended' : 'sessions ended';
    case 'access_denied':
      return 'access denied';
    case 'credentials_refused':
      return 'credentials refused';
    default:
      return event satisfies never;
  }
}

/** Enough to tell sessions apart, and too little to name one to the store. */
export function shownSession(key: string): string | undefined {
  return key === '' ? undefined : key.slice(0, SESSION_LETTERS);
}

export function personOf(
  application: Application,
  { sub, preferredUsername }: Pick<Claims, 'sub' | 'preferredUsername'>,
): Person {
  return { subject: indexHash(application, 'sub', sub), user: preferredUsername || sub };
}

export type Ended = Omit<
  Extract<AuditEvent, { audit: 'session_ended' }>,
  'audit' | 'session' | 'sessions' | 'incomplete'
>;

/** A line for each; of more than a hundred at once one for all. */
export function writeEnded(audit: Audit, ended: Ended, keys: readonly string[], count = keys.length): void {
  if (count > MOST_LINES) audit.write({ ...ended, audit: 'session_ended', session: '', sessions: count });
  else for (const session of keys) audit.write({ ...ended, audit: 'session_ended', session });
}
