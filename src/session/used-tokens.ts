// Logout tokens that were used (OIDC Back-Channel Logout 1.0 §2.6), on any worker or node. They lie in the store beside the
// sessions, under the name of a provider that cannot be.
import { createHash } from 'node:crypto';
import type { SessionStore } from './store.js';

/** Stands where a provider's name stands; no provider can be called that. */
export const LOGOUT_TOKENS = '#logout-tokens';
/** Longer than a logout token is accepted. */
const LOGOUT_TOKEN_AGE = 900_000;

export async function isUsed(store: SessionStore, issuer: string, jti: string): Promise<boolean> {
  return (await store.get(tokenKey(issuer, jti))) !== null;
}

/** `now`: Unix milliseconds. */
export async function remember(store: SessionStore, issuer: string, jti: string, now: number): Promise<void> {
  const key = tokenKey(issuer, jti);
  await store.put({
    key,
    value: new Uint8Array(1),
    expiresAt: now + LOGOUT_TOKEN_AGE,
    subject: key,
    sid: '',
    provider: LOGOUT_TOKENS,
  });
}

function tokenKey(issuer: string, jti: string): string {
  return createHash('sha256').update(`logout token\0${issuer}\0${jti}`).digest('base64url');
}
