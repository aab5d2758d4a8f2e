// Renews a login with its refresh token (OIDC Core §12). The new ID token is optional, and must be about the same user.
import * as openid from 'openid-client';
import type { Claims } from '../application/claims.js';
import type { AkproxError } from '../infra/errors.js';
import type { OidcClient } from './client.js';
import { claimsOfRenewal, completeClaims } from './complete-claims.js';
import { refusal, refused } from './failures.js';
import { expiryOf, jwtToPassOn, type LoginResult } from './flow.js';
import { refusedToken, verifyJwt } from './verify-jwt.js';

export type RefreshResult =
  | ({ readonly kind: 'renewed' } & LoginResult)
  /** The provider has ended the grant, or says no more who may pass: the user must log in again. */
  | { readonly kind: 'ended' }
  /** Nothing is known about the grant; the session may live on to its own end. */
  | { readonly kind: 'fault'; readonly error: AkproxError };

/** For an answer with neither an ID token nor `expires_in`. */
const UNKNOWN_LIFETIME = 300_000;

/** Never rejects. `idToken` and `jwt` are '' when the answer had no ID token: keep the former ones. */
export async function refreshTokens(
  client: OidcClient,
  refreshToken: string,
  previous: Claims,
): Promise<RefreshResult> {
  try {
    return await redeem(client, refreshToken, previous);
  } catch (error) {
    if (refusal(error) === 'invalid_grant') return { kind: 'ended' };
    return { kind: 'fault', error: refused(client, error, 'the token endpoint') };
  }
}

async function redeem(client: OidcClient, refreshToken: string, previous: Claims): Promise<RefreshResult> {
  const provider = await client.discover();
  const tokens = await openid.refreshTokenGrant(provider.configuration, refreshToken);
  const kept = { accessToken: tokens.access_token, refreshToken: tokens.refresh_token ?? refreshToken };
  if (tokens.id_token === undefined) {
    const lifetime = tokens.expires_in === undefined ? UNKNOWN_LIFETIME : tokens.expires_in * 1_000;
    const expiresAt = Math.floor(client.now() + lifetime);
    return { kind: 'renewed', claims: previous, idToken: '', jwt: '', expiresAt, ...kept };
  }
  // `iss` and `aud` equal the former ones because both times they had to equal the configured ones.
  const payload = await verifyJwt(client, tokens.id_token);
  if (payload.sub !== previous.sub) throw refusedToken('sub changed');
  const complete = await completeClaims(client, provider, payload, tokens.access_token);
  const claims = claimsOfRenewal(client, complete, previous);
  if (claims === null) return { kind: 'ended' };
  return {
    kind: 'renewed',
    claims,
    idToken: tokens.id_token,
    jwt: await jwtToPassOn(client, payload, tokens),
    expiresAt: expiryOf(payload),
    ...kept,
  };
}
