// Logout tokens that were used (OIDC Back-Channel Logout 1.0 §2.6), on any worker or node: each holds a lease that nobody gives back.
import { createHash } from 'node:crypto';
import type { LeaseStore } from './lease.js';

/** Longer than a logout token is accepted. */
const LOGOUT_TOKEN_AGE = 900_000;

export function isUsed(leases: LeaseStore, issuer: string, jti: string): Promise<boolean> {
  return leases.isHeld(nameOf(issuer, jti), LOGOUT_TOKEN_AGE);
}

export async function remember(leases: LeaseStore, issuer: string, jti: string): Promise<void> {
  // Held already: somebody else was sent the same token at the same time.
  await leases.acquire(nameOf(issuer, jti), LOGOUT_TOKEN_AGE, 'used');
}

function nameOf(issuer: string, jti: string): string {
  return `logout-token ${createHash('sha256').update(`${issuer}\0${jti}`).digest('base64url')}`;
}
