// Renewal: a session with a refresh token is renewed shortly before its tokens end, in the background of a check, by exactly
// one worker of the fleet. Invariants: a refresh token is redeemed at most once, whoever crashes when (an identity provider that
// rotates them ends everything when one is used twice); a renewal never brings a revoked session back; only the identity
// provider's own word (`invalid_grant`) ends a session, a network fault does not.
import { randomBytes } from 'node:crypto';
import type { Application } from '../application/application.js';
import type { Claims } from '../application/claims.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { LeaseStore } from './lease.js';
import type { Session } from './session.js';
import type { Ticket } from './ticket.js';

/** What the identity provider said to a refresh token. `idToken` and `jwt` are '' when the former ones go on. */
export type RenewalAnswer =
  | {
      readonly kind: 'renewed';
      readonly claims: Claims;
      readonly idToken: string;
      readonly jwt: string;
      /** Unix milliseconds. */
      readonly expiresAt: number;
      readonly refreshToken: string | null;
    }
  | { readonly kind: 'ended' }
  | { readonly kind: 'fault'; readonly error: Error };

export interface RenewalOptions {
  readonly leases: LeaseStore;
  readonly redeem: (application: Application, refreshToken: string, session: Session) => Promise<RenewalAnswer>;
  readonly read: (application: Application, ticket: Ticket) => Promise<Session | null>;
  /** False: the session is gone. */
  readonly replace: (application: Application, ticket: Ticket, session: Session) => Promise<boolean>;
  readonly end: (ticket: Ticket) => Promise<void>;
  readonly now: () => number;
  readonly log: GatedLog;
}

/** Longer than a redemption can take: discovery, token, keys and userinfo at 10 s each, and the store. */
const LEASE = 60_000;
const LONGEST_MARGIN = 120_000;

/** Whether somebody is at it: it may fail, and then the session wants to be renewed again. Whoever crashed over it is not. */
export function isBeingRenewed(session: Session, now: number): boolean {
  return session.takenAt !== undefined && now < session.takenAt + LEASE;
}

/** Unix milliseconds from which on a session wants to be renewed; never, without a refresh token. */
export function renewalDue(session: Session): number {
  if (session.refreshToken === null) return Number.POSITIVE_INFINITY;
  return session.expiresAt - Math.min(LONGEST_MARGIN, (session.expiresAt - session.renewedAt) / 4);
}

export class Renewal {
  private readonly options: RenewalOptions;
  private readonly running = new Set<string>();

  constructor(options: RenewalOptions) {
    this.options = options;
  }

  /** In the background; does nothing while this worker is at it already. Resolves when it is over; never rejects. */
  async start(application: Application, ticket: Ticket): Promise<void> {
    if (this.running.has(ticket.key)) return;
    this.running.add(ticket.key);
    try {
      await this.underLease(application, ticket);
    } catch (error) {
      this.options.log.warn({ err: error, provider: application.name }, 'session renewal failed; trying again');
    } finally {
      this.running.delete(ticket.key);
    }
  }

  private async underLease(application: Application, ticket: Ticket): Promise<void> {
    const { leases, log } = this.options;
    const name = `renew ${ticket.key}`;
    const owner = randomBytes(16).toString('base64url');
    if (!(await leases.acquire(name, LEASE, owner))) return;
    try {
      await this.renew(application, ticket);
    } finally {
      // If it cannot be given back it ends by itself.
      await leases
        .release(name, owner)
        .catch((error: unknown) => log.debug({ err: error }, 'lease not released; it expires by itself'));
    }
  }

  private async renew(application: Application, ticket: Ticket): Promise<void> {
    const { read, replace, end, redeem, now, log } = this.options;
    const session = await read(application, ticket);
    // Another worker may have renewed it, or somebody signed out, before the lease was ours.
    if (session === null || session.refreshToken === null || now() < renewalDue(session)) return;
    // The token is taken out of the store before it is sent. Whoever crashes from here on leaves a session that lives to its
    // end without renewal, not a spent token for the next worker to redeem again.
    const without = { ...session, refreshToken: null, takenAt: now() };
    if (!(await replace(application, ticket, without))) return;
    const answer = await redeem(application, session.refreshToken, session).catch(
      (error: unknown): RenewalAnswer => ({
        kind: 'fault',
        error: error instanceof Error ? error : new Error(String(error)),
      }),
    );
    if (answer.kind === 'ended') {
      log.info({ provider: application.name }, 'session ended: the identity provider refused its refresh token');
      await end(ticket);
      return;
    }
    if (answer.kind === 'fault') {
      log.warn(
        { err: answer.error, provider: application.name },
        'session renewal failed at the identity provider; trying again',
      );
      await replace(application, ticket, session);
      return;
    }
    const time = now();
    await replace(application, ticket, {
      ...session,
      claims: answer.claims,
      idToken: answer.idToken || session.idToken,
      jwt: application.config.headers.pass_jwt ? answer.jwt || session.jwt : '',
      refreshToken: answer.refreshToken,
      renewedAt: time,
      expiresAt: Math.min(answer.expiresAt, session.createdAt + application.config.session.lifetime),
    });
  }
}
