// A session: who somebody is at one application, and until when. Its JSON is what gets sealed into the store.
import type { Claims } from '../application/claims.js';
import { isRecord } from '../infra/untyped.js';

/** What somebody logged in with. */
export interface Device {
  /** Family and system, such as `Firefox, Linux`; '' when it is not known. */
  readonly browser: string;
  /** The client's address, by `trusted_proxies`. */
  readonly client: string;
}

export interface Session {
  /** `Application.id`. A session never counts at another application. */
  readonly provider: string;
  readonly claims: Claims;
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Unix milliseconds: when its tokens were last issued. */
  readonly renewedAt: number;
  /** Unix milliseconds: until when it is served without being renewed, the earlier of the token's `exp` and `endsAt`. */
  readonly expiresAt: number;
  /**
   * Unix milliseconds: when it is over whatever happens, the end of `session.lifetime`. Absent when it is over at `expiresAt`: nothing
   * can renew it, or a version wrote it for which tokens and sessions ended together.
   */
  readonly endsAt?: number;
  /** For `id_token_hint` at sign-out. */
  readonly idToken: string;
  /** For `X-authentik-jwt`; '' when the application does not get it. */
  readonly jwt: string;
  readonly refreshToken: string | null;
  /** Unix milliseconds: when a worker took the refresh token out, to redeem it; absent at all other times. */
  readonly takenAt?: number;
  /** Unix milliseconds: when the identity provider could not be asked to renew it; absent once it could. */
  readonly failedAt?: number;
  /** SHA-256 of the `state` that began it, and where that login led: a callback that is sent twice goes there. */
  readonly loginState: string;
  readonly loginTarget: string;
  /** Absent in what a version wrote that did not ask. */
  readonly device?: Device;
}

const VERSION = 1;

export function encodeSession(session: Session): Buffer {
  return Buffer.from(JSON.stringify({ v: VERSION, ...session }), 'utf8');
}

/** Unix milliseconds: when its record goes. */
export function endOf(session: Session): number {
  return session.endsAt ?? session.expiresAt;
}

/** Null for anything that is not a session of this version: the caller treats it as "no session". */
export function decodeSession(bytes: Uint8Array): Session | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch {
    return null;
  }
  if (!isRecord(value) || value['v'] !== VERSION || !isRecord(value['claims'])) return null;
  if (typeof value['provider'] !== 'string' || typeof value['expiresAt'] !== 'number') return null;
  if (typeof value['renewedAt'] !== 'number' || typeof value['createdAt'] !== 'number') return null;
  if (typeof value['claims']['sub'] !== 'string' || !Array.isArray(value['claims']['groups'])) return null;
  return value as unknown as Session; // sealed by us under an authenticated cipher: the rest has the shape that we wrote
}
