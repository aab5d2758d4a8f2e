// From a session to its entry in the cache: who may pass and with which headers, and for how long that counts. What is said in
// Unix time is turned into an age here, once: no later step of the wall clock ends what is cached.
import type { Application } from '../application/application.js';
import { ASSERTION_RENEWED_AT, OLDEST_ASSERTION } from '../application/assertion.js';
import { type Verdict, verdictOn } from '../application/verdict.js';
import type { GatedLog } from '../infra/log-gate.js';
import { personOf } from './audit.js';
import type { CacheEntry } from './cache.js';
import type { Rendered } from './record.js';
import type { Session } from './session.js';
import { isBeingRenewed, renewalDue, servedUntil } from './standing.js';

export interface CacheEntriesOptions {
  /** Milliseconds: until an entry is read again, and until it no longer counts even if it cannot be. */
  readonly cache: { readonly max_age: number; readonly stale_max: number };
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds. */
  readonly monotonic: () => number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly log: GatedLog;
}

export interface CacheEntries {
  /** `assertion`: for `X-Akprox-Assertion`, signed just now; '' without one. */
  forSession(application: Application, key: string, session: Session, assertion: string): CacheEntry;
  /** The same of a session whose headers the store has. */
  forRendered(application: Application, key: string, rendered: Rendered): CacheEntry;
  /** For a verified cookie without a session. */
  withoutSession(application: Application, key: string): CacheEntry;
}

/** How often a session that wants to be renewed is read again, in milliseconds. */
const RENEWAL_PAUSE = 2_000;
/** A verified cookie without a session is remembered this long, so that a signed-out tab does not poll the store. */
const NEGATIVE_AGE = 10_000;

export function createCacheEntries({ cache, now, monotonic, random, log }: CacheEntriesOptions): CacheEntries {
  const { max_age, stale_max } = cache;
  /** `servedUntil` and `due` in Unix milliseconds. */
  function entry(
    application: Application,
    key: string,
    verdict: Verdict,
    times: { readonly servedUntil: number; readonly due: number; readonly isSigned: boolean },
  ): CacheEntry {
    const time = monotonic();
    const epoch = time - now();
    const endsAt = epoch + times.servedUntil;
    // When it wants to be renewed it is read again, at once and then every few seconds until somebody has renewed it.
    const due = Math.max(epoch + times.due, time + RENEWAL_PAUSE);
    // An assertion that is over is no use to the application, whatever else the entry would be good for.
    const oldest = times.isSigned ? Math.min(stale_max, OLDEST_ASSERTION) : stale_max;
    const longest = times.isSigned ? Math.min(max_age, oldest, ASSERTION_RENEWED_AT) : Math.min(max_age, oldest);
    // Up to a quarter earlier, at random: sessions that came in together are not read again together.
    const age = longest * (1 - random() / 4);
    return {
      kind: verdict.kind,
      application,
      block: verdict.kind === 'allow' ? verdict.block : application.anonymousBlock,
      user: verdict.kind === 'allow' ? '' : verdict.user,
      person: verdict.kind === 'allow' ? null : personOf(application, verdict),
      key,
      endsAt,
      staleAt: time + oldest,
      freshUntil: Math.min(time + age, endsAt, due),
      rereading: false,
    };
  }

  return {
    forSession(application, key, session, assertion) {
      const at = now();
      const verdict = verdictOn(application, session.claims, { jwt: session.jwt, assertion }, log);
      return entry(application, key, verdict, {
        servedUntil: servedUntil(application, session, at),
        due: isBeingRenewed(session, at) ? at : renewalDue(application, session),
        isSigned: assertion !== '',
      });
    },
    // Its verdict is what `verdictOn` said when the record was written, under this very configuration.
    forRendered(application, key, { block, endsAt, goodUntil }) {
      return entry(
        application,
        key,
        { kind: 'allow', block },
        { servedUntil: endsAt, due: goodUntil, isSigned: false },
      );
    },
    withoutSession(application, key) {
      const until = monotonic() + NEGATIVE_AGE;
      return {
        kind: 'none',
        application,
        block: application.anonymousBlock,
        user: '',
        person: null,
        key,
        endsAt: until,
        staleAt: until,
        freshUntil: until,
        rereading: false,
      };
    },
  };
}
