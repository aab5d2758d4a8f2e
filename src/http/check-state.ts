// What the checks of one worker share. Above the line of check.ts they run one after another, each to its end, so there is one of
// each of these things and a hit makes none. Nothing here outlives the handler that it was filled in.
import type { Application } from '../application/application.js';
import type { CacheEntry } from '../session/cache.js';
import { VisitedHeaders } from './visited-headers.js';

/**
 * Headers that come twice: a proxy that appends to X-Forwarded-Host instead of setting it lets clients choose the host.
 * uWebSockets.js shows the first of several, and to look for a second is to visit every header, which costs more than all the
 * steps above the line. So every check below it is inspected, and of the hits above it and of strangers one in this many; after a
 * header that came twice every one for a minute.
 */
const CHECKS_PER_INSPECTION = 32;
const INSPECT_ALL_FOR = 60_000;

/** How far `check` came without a decision. Overwritten by the next check: read it before the first await. */
export class Undecided {
  readonly kind = 'undecided';
  /** As sent, '' when it is missing. */
  host = '';
  /** Whose host it is. */
  application: Application | undefined = undefined;
  /** What the proxy set contradicts what was read. */
  contradicts = false;
  /** The session cookie that was looked up in the cache, '' when none was, and what was found. */
  cookie = '';
  entry: CacheEntry | undefined = undefined;

  at(host: string, application: Application | undefined, cookie = '', entry: CacheEntry | undefined = undefined): this {
    this.host = host;
    this.application = application;
    this.contradicts = false;
    this.cookie = cookie;
    this.entry = entry;
    return this;
  }

  contradicting(host: string, application: Application): this {
    this.at(host, application);
    this.contradicts = true;
    return this;
  }
}

export class CheckState {
  readonly undecided = new Undecided();
  readonly headers = new VisitedHeaders();
  private untilInspection = CHECKS_PER_INSPECTION;
  private inspectAllUntil = 0;

  /** HOT PATH. Whether every header of this check is to be visited although nothing speaks against it. */
  isInspectionDue(time: number): boolean {
    this.untilInspection -= 1;
    if (this.untilInspection > 0 && time >= this.inspectAllUntil) return false;
    this.untilInspection = CHECKS_PER_INSPECTION;
    return true;
  }

  /** A header came twice: this proxy, at least, is set up wrongly. */
  inspectAll(time: number): void {
    this.inspectAllUntil = time + INSPECT_ALL_FOR;
  }
}
