// A login attempt: everything that a login has to remember, sealed into one short-lived cookie of the browser that began
// it. The server keeps nothing until the login has succeeded. At most five at once, never more than 4 KiB together.
import { createHash } from 'node:crypto';
import type { Application } from '../application/application.js';
import { seal, unseal } from '../infra/seal.js';
import { isRecord } from '../infra/untyped.js';
import { cookiesWithPrefix, writeCookie } from './cookies.js';
import type { Snapshot } from './exchange.js';

export interface Attempt {
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  /** Where the login leads, validated when it began. */
  readonly target: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
}

export const ATTEMPT_LIFETIME = 600_000;
const MOST_ATTEMPTS = 5;
const MOST_BYTES = 4_096;
/** Cookies under our prefix that we look at; a browser holds five of ours, an attacker may send more. */
const MOST_READ = 16;

/** Set-Cookie values that add this attempt and remove what there is no room for, oldest first. */
export function saveAttempt(application: Application, attempt: Attempt, request: Snapshot, now: number): string[] {
  const name = attemptCookieName(application, attempt.state);
  const value = seal(application.keys.attempt, name, Buffer.from(JSON.stringify(attempt), 'utf8')).toString(
    'base64url',
  );
  const kept: { name: string; size: number; startedAt: number }[] = [];
  const removed: string[] = [];
  for (const cookie of cookiesWithPrefix(request.getHeaders('cookie'), application.attemptCookiePrefix, MOST_READ)) {
    if (cookie.name === name) continue;
    const other = open(application, cookie.name, cookie.value);
    if (other === null || isOver(other, now)) removed.push(cookie.name);
    else
      kept.push({ name: cookie.name, size: cookie.name.length + cookie.value.length + 3, startedAt: other.startedAt });
  }
  kept.sort((a, b) => b.startedAt - a.startedAt);
  let bytes = name.length + value.length + 3;
  kept.forEach((other, index) => {
    bytes += other.size;
    if (index + 2 > MOST_ATTEMPTS || bytes > MOST_BYTES) removed.push(other.name);
  });
  return [
    writeCookie(application, name, value, {
      path: application.prefix,
      domain: '',
      maxAge: ATTEMPT_LIFETIME / 1_000,
    }),
    ...removed.filter((other) => COOKIE_NAME.test(other)).map((other) => dropCookie(application, other)),
  ];
}

/** The attempt that a callback's `state` belongs to, `expired`, or null when this browser did not begin it. */
export function findAttempt(
  application: Application,
  state: string,
  request: Snapshot,
  now: number,
): Attempt | 'expired' | null {
  const name = attemptCookieName(application, state);
  for (const cookie of cookiesWithPrefix(request.getHeaders('cookie'), name, MOST_READ)) {
    const attempt = cookie.name === name ? open(application, name, cookie.value) : null;
    if (attempt === null || attempt.state !== state) continue;
    return isOver(attempt, now) ? 'expired' : attempt;
  }
  return null;
}

/** One that began long after now was begun under a clock that was wrong; it must not live longer for that. */
function isOver(attempt: Attempt, now: number): boolean {
  return Math.abs(now - attempt.startedAt) >= ATTEMPT_LIFETIME;
}

export function dropAttempt(application: Application, state: string): string {
  return dropCookie(application, attemptCookieName(application, state));
}

/** Named after the state, so that parallel tabs have a cookie each. */
function attemptCookieName(application: Application, state: string): string {
  return application.attemptCookiePrefix + createHash('sha256').update(state).digest('hex').slice(0, 12);
}

const COOKIE_NAME = /^[A-Za-z0-9_]{1,64}$/;

function dropCookie(application: Application, name: string): string {
  return writeCookie(application, name, '', { path: application.prefix, domain: '', maxAge: 0 });
}

function open(application: Application, name: string, value: string): Attempt | null {
  if (value.length > MOST_BYTES) return null;
  const plain = unseal(application.keys.attempt, name, Buffer.from(value, 'base64url'));
  if (plain === null) return null;
  const attempt: unknown = JSON.parse(plain.toString('utf8'));
  return isRecord(attempt) && typeof attempt['startedAt'] === 'number' ? (attempt as unknown as Attempt) : null;
}
