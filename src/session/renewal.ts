// Renewal: a session with a refresh token is renewed shortly before its tokens end, or before it is served again, by exactly
// one worker of the fleet. Invariants: a refresh token for which others came is never sent again, whoever crashes when (an identity
// provider that rotates them ends everything when one is used twice); a renewal never brings a revoked session back; only the identity
// provider's own word ends a session. A network fault does not, so one whose answer got lost on the way is sent again.
import { randomBytes } from 'node:crypto';
import type { Application } from '../application/application.js';
import type { Claims } from '../application/claims.js';
import { boundedMap } from '../infra/bounded-map.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { Timers } from '../infra/timers.js';
import { type Audit, personOf } from './audit.js';
import type { LeaseStore } from './lease.js';
import { endOf, type Session } from './session.js';
import { LEASE, wantsRenewal } from './standing.js';
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
  /** It answered, and what it said cannot be used: nothing before the tokens' end, and a login is the way out after it. */
  | { readonly kind: 'refused'; readonly error: Error; readonly refreshToken?: string }
  /** It could not be asked, or not to the end. `refreshToken`: the one that is good from now on; absent: the former one. */
  | { readonly kind: 'fault'; readonly error: Error; readonly refreshToken?: string };

/** `done`, whatever came of it; another worker is at it; too many others are under way here; or the store has failed. */
export type RenewalEnd = 'done' | 'elsewhere' | 'later' | 'failed';

export interface RenewalOptions {
  readonly leases: LeaseStore;
  readonly redeem: (application: Application, refreshToken: string, session: Session) => Promise<RenewalAnswer>;
  readonly read: (application: Application, ticket: Ticket) => Promise<Session | null>;
  /** False: the session is gone. */
  readonly replace: (application: Application, ticket: Ticket, session: Session) => Promise<boolean>;
  readonly end: (ticket: Ticket) => Promise<void>;
  readonly now: () => number;
  readonly timers: Timers;
  readonly log: GatedLog;
  readonly audit: Audit;
}

/** Between two attempts to save what came of a renewal, in milliseconds. */
const TRY_AGAIN = 500;
/** Until when a token that was not sent may be put back: well before somebody else can hold the lease. */
const PUT_BACK = LEASE / 2;
/**
 * Renewals of one application that are under way at once. Each holds a connection to its identity provider, and while that is slow
 * everybody who comes back wants one: what all of them would take belongs to the other applications too.
 */
const MOST_RUNNING = 128;
const MOST_DOUBTFUL = 10_000;

export class Renewal {
  private readonly options: RenewalOptions;
  private readonly running = new Map<string, Promise<RenewalEnd>>();
  /** How many, by application. */
  private readonly runningAt = new Map<string, number>();
  /**
   * By session: the owner under whom its lease may be held although the store has not said so. Until that ends by itself nobody could
   * renew the session.
   */
  private readonly doubtful = boundedMap<string, string>(MOST_DOUBTFUL);

  constructor(options: RenewalOptions) {
    this.options = options;
  }

  /** Resolves when it is over; callers for the same session share one attempt. Never rejects. */
  start(application: Application, ticket: Ticket): Promise<RenewalEnd> {
    const running = this.running.get(ticket.key);
    if (running !== undefined) return running;
    if ((this.runningAt.get(application.id) ?? 0) >= MOST_RUNNING) return Promise.resolve('later');
    this.count(application, 1);
    const attempt = this.attempt(application, ticket).finally(() => {
      this.running.delete(ticket.key);
      this.count(application, -1);
    });
    this.running.set(ticket.key, attempt);
    return attempt;
  }

  private count({ id }: Application, step: 1 | -1): void {
    const count = (this.runningAt.get(id) ?? 0) + step;
    if (count === 0) this.runningAt.delete(id);
    else this.runningAt.set(id, count);
  }

  /** Whether this worker is at it. */
  isRunning(ticket: Ticket): boolean {
    return this.running.has(ticket.key);
  }

  /** Resolves when none is under way: a worker that leaves in the middle of one takes a refresh token with it. */
  async idle(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running.values());
  }

  private async attempt(application: Application, ticket: Ticket): Promise<RenewalEnd> {
    try {
      return await this.underLease(application, ticket);
    } catch (error) {
      this.options.log.warn({ err: error, provider: application.name }, 'session renewal failed; trying again');
      return 'failed';
    }
  }

  private async underLease(application: Application, ticket: Ticket): Promise<RenewalEnd> {
    const { leases, log } = this.options;
    const name = `renew ${ticket.key}`;
    const doubtful = this.doubtful.get(ticket.key);
    if (doubtful !== undefined) {
      await leases.release(name, doubtful);
      this.doubtful.delete(ticket.key);
    }
    const owner = randomBytes(16).toString('base64url');
    const doubt = (error: unknown): void => {
      this.doubtful.set(ticket.key, owner);
      log.debug(
        { err: error },
        'a lease may be held for nothing; given back at the next attempt, or it expires by itself',
      );
    };
    const isHeld = await leases.acquire(name, LEASE, owner).catch((error: unknown) => {
      doubt(error);
      throw error;
    });
    if (!isHeld) return 'elsewhere';
    try {
      await this.renew(application, ticket);
      return 'done';
    } finally {
      await leases.release(name, owner).catch(doubt);
    }
  }

  private async renew(application: Application, ticket: Ticket): Promise<void> {
    const { read, redeem, now } = this.options;
    const session = await read(application, ticket);
    // Another worker may have renewed it, or somebody signed out, before the lease was ours.
    if (session === null || session.refreshToken === null || !wantsRenewal(application, session, now())) return;
    if (!(await this.takeOut(application, ticket, session))) return;
    const answer = await redeem(application, session.refreshToken, session).catch(
      (error: unknown): RenewalAnswer => ({
        kind: 'fault',
        error: error instanceof Error ? error : new Error(String(error)),
      }),
    );
    await this.conclude(application, ticket, session, answer);
  }

  /**
   * The token is taken out of the store before it is sent. Whoever crashes from here on leaves a session that lives to its
   * tokens' end without renewal, not a spent token for the next worker to redeem again. False: the session is gone.
   */
  private async takeOut(application: Application, ticket: Ticket, session: Session): Promise<boolean> {
    const { replace, now } = this.options;
    const takenAt = now();
    try {
      return await replace(application, ticket, { ...session, refreshToken: null, takenAt });
    } catch (error) {
      // It may be out although the answer was lost.
      await this.save(application, ticket, session, takenAt + PUT_BACK);
      throw error;
    }
  }

  private async conclude(
    application: Application,
    ticket: Ticket,
    session: Session,
    answer: RenewalAnswer,
  ): Promise<void> {
    const { now, log } = this.options;
    const facts = { provider: application.name };
    const { failedAt: _, ...former } = session;
    const { lifetime } = application.config.session;
    switch (answer.kind) {
      case 'ended':
        log.info(facts, 'session ended: the identity provider refused its refresh token');
        return this.endSession(application, ticket, session, 'refresh');
      case 'refused':
        if (now() >= session.expiresAt) {
          log.warn(
            { ...facts, err: answer.error },
            'session ended: its tokens are over and the identity provider does not renew them',
          );
          return this.endSession(application, ticket, session, 'tokens_over');
        }
        log.warn({ ...facts, err: answer.error }, 'session renewal refused by the identity provider; trying again');
        return this.save(application, ticket, { ...former, refreshToken: answer.refreshToken ?? session.refreshToken });
      case 'fault':
        log.warn({ ...facts, err: answer.error }, 'session renewal failed at the identity provider; trying again');
        return this.save(application, ticket, {
          ...former,
          refreshToken: answer.refreshToken ?? session.refreshToken,
          failedAt: now(),
        });
      case 'renewed': {
        const endsAt = session.createdAt + lifetime;
        await this.save(application, ticket, {
          ...former,
          claims: answer.claims,
          idToken: answer.idToken || session.idToken,
          jwt: application.config.headers.pass_jwt ? answer.jwt || session.jwt : '',
          refreshToken: answer.refreshToken,
          renewedAt: now(),
          expiresAt: Math.min(answer.expiresAt, endsAt),
          ...(answer.refreshToken !== null && { endsAt }),
        });
        const renewed = { provider: application.name, ...personOf(application, answer.claims), session: ticket.key };
        return this.options.audit.write({ ...renewed, audit: 'session_renewed' });
      }
      default:
        return answer satisfies never;
    }
  }

  /** The session's tokens are nowhere else: an outage of the store must not cost them. While they are out nobody else redeems. */
  private save(application: Application, ticket: Ticket, session: Session, until = endOf(session)): Promise<void> {
    return this.insist(application, until, () => this.options.replace(application, ticket, session));
  }

  /** Until its tokens end, from when on it is not served without a refresh token, wherever the store says that it is. */
  private async endSession(
    application: Application,
    ticket: Ticket,
    session: Session,
    reason: 'refresh' | 'tokens_over',
  ): Promise<void> {
    await this.insist(application, session.expiresAt, () => this.options.end(ticket));
    const ended = { provider: application.name, ...personOf(application, session.claims), session: ticket.key };
    this.options.audit.write({ ...ended, audit: 'session_ended', reason });
  }

  /** Again and again until the store has done it, or until it is no use. */
  private async insist(application: Application, until: number, work: () => Promise<unknown>): Promise<void> {
    const { now, timers, log } = this.options;
    for (;;) {
      try {
        await work();
        return;
      } catch (error) {
        if (now() >= until) throw error;
        log.warn(
          { err: error, provider: application.name },
          'the outcome of a session renewal could not be saved; trying again',
        );
        await new Promise<void>((resolve) => timers.after(TRY_AGAIN, resolve));
      }
    }
  }
}
