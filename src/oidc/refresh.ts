// Renews a login with its refresh token (OIDC Core §12). The new ID token is optional, and must be about the same user; without
// one the former goes on.
import { decodeJwt } from 'jose';
import * as openid from 'openid-client';
import type { Claims } from '../application/claims.js';
import { AkproxError } from '../infra/errors.js';
import type { OidcClient } from './client.js';
import { claimsOfRenewal, completeClaims } from './complete-claims.js';
import type { DiscoveredProvider } from './configured.js';
import { refusal, refused } from './failures.js';
import {
  expiryOf,
  jwtToPassOn,
  type LoginResult,
  sourceOfClaims,
  type TokenPayload,
  type TokenResponse,
} from './flow.js';
import { refusedToken, verifyJwt } from './verify-jwt.js';

export type RefreshResult =
  | ({ readonly kind: 'renewed' } & LoginResult)
  /** The provider has ended the grant, or says no more who may pass: the user must log in again. */
  | { readonly kind: 'ended' }
  /**
   * It answered, and what it said is no use: only another login can be better. `refreshToken`, of this and the next: the one that is
   * good from now on; absent: the former one.
   */
  | { readonly kind: 'refused'; readonly error: AkproxError; readonly refreshToken?: string }
  /** Nothing is known about the grant: the provider cannot be asked, or does not take us for its client, and a login would fail too. */
  | { readonly kind: 'fault'; readonly error: AkproxError; readonly refreshToken?: string };

/** What is renewed. */
export interface FormerLogin {
  readonly claims: Claims;
  readonly idToken: string;
}

/** For an answer with neither an ID token nor `expires_in`. */
const UNKNOWN_LIFETIME = 300_000;

/** Never rejects. `idToken` and `jwt` are '' when the answer had none: keep the former ones. */
export async function refreshTokens(
  client: OidcClient,
  refreshToken: string,
  former: FormerLogin,
): Promise<RefreshResult> {
  let provider: DiscoveredProvider;
  let tokens: TokenResponse;
  // The former refresh token may be spent now: whatever is wrong with the rest of the answer, the new one must not be lost.
  let next: { readonly refreshToken?: string } = {};
  try {
    provider = await client.discover();
    const configuration = provider.hearing(({ refresh_token: token }) => {
      if (typeof token === 'string' && token !== '') next = { refreshToken: token };
    });
    tokens = await openid.refreshTokenGrant(configuration, refreshToken);
  } catch (error) {
    if (refusal(error) === 'invalid_grant') return { kind: 'ended' };
    return { ...failure(client, error, isAboutGrant(error)), ...next };
  }
  try {
    const login = await readAnswer(client, provider, tokens, former);
    return login === null ? { kind: 'ended' } : { kind: 'renewed', ...login, refreshToken, ...next };
  } catch (error) {
    return { ...failure(client, error, false), ...next };
  }
}

function failure(
  client: OidcClient,
  error: unknown,
  isRefusal: boolean,
): { kind: 'refused' | 'fault'; error: AkproxError } {
  const translated = refused(client, error, 'the token endpoint');
  return { kind: isRefusal || translated.code === 'token_invalid' ? 'refused' : 'fault', error: translated };
}

/** RFC 6749 §5.2: what is about the client, or about the provider itself, says nothing about the grant. */
function isAboutGrant(error: unknown): boolean {
  const code = refusal(error);
  if (code === null || !(error instanceof openid.ResponseBodyError)) return false;
  return (
    ABOUT_PERSON.includes(code) ||
    (error.status === 400 && !['invalid_client', 'server_error', 'temporarily_unavailable'].includes(code))
  );
}

/** What cannot be about anything else, whatever the status that it comes with. */
const ABOUT_PERSON = [
  'access_denied',
  'account_selection_required',
  'consent_required',
  'interaction_required',
  'login_required',
  'unmet_authentication_requirements',
];

/** Null: who may pass can be known no more. */
async function readAnswer(
  client: OidcClient,
  provider: DiscoveredProvider,
  tokens: TokenResponse,
  former: FormerLogin,
): Promise<Omit<LoginResult, 'refreshToken'> | null> {
  // `iss` and `aud` equal the former ones because both times they had to equal the configured ones.
  const payload = tokens.id_token === undefined ? formerPayload(former) : await verifyJwt(client, tokens.id_token);
  if (payload['sub'] !== former.claims.sub) throw refusedToken('sub changed');
  const jwt = await jwtToPassOn(client, payload, tokens);
  const source = sourceOfClaims(client, payload, tokens, jwt);
  const expiresAt =
    tokens.id_token === undefined && source === payload
      ? Math.floor(client.now() + (tokens.expires_in === undefined ? UNKNOWN_LIFETIME : tokens.expires_in * 1_000))
      : expiryOf(source);
  if (expiresAt <= client.now())
    throw new AkproxError('token_invalid', 'the renewed token has expired already: compare the clocks');
  const complete = await completeClaims(client, provider, { ...payload, ...source }, tokens.access_token);
  const claims = claimsOfRenewal(client, complete, former.claims);
  if (claims === null) return null;
  return { claims, idToken: tokens.id_token ?? '', accessToken: tokens.access_token, jwt, expiresAt };
}

/** It was verified when it came, and has been in our hands since. */
function formerPayload({ claims, idToken }: FormerLogin): TokenPayload {
  return { ...(idToken === '' ? {} : decodeJwt(idToken)), sub: claims.sub };
}
