// The authorization code flow as request and response halves (OIDC Core §3.1): pure apart from asking the identity provider.
// What a login has to remember between them is the caller's.
import { decodeJwt } from 'jose';
import * as openid from 'openid-client';
import type { Claims } from '../application/claims.js';
import { AkproxError } from '../infra/errors.js';
import { promptForAnother } from './another-account.js';
import { authorizationUrl, checkAuthentication } from './authorization-request.js';
import type { OidcClient } from './client.js';
import { claimsOfLogin, completeClaims } from './complete-claims.js';
import type { DiscoveredProvider } from './configured.js';
import { knownOauthError, printable, refused } from './failures.js';
import { checkJwt, verifyJwt } from './verify-jwt.js';

export interface LoginRequest {
  readonly url: string;
  readonly state: string;
  readonly nonce: string;
  readonly codeVerifier: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
}

export interface LoginResult {
  readonly claims: Claims;
  /** '' when a refresh brought none: the former one is still the best hint. */
  readonly idToken: string;
  readonly accessToken: string;
  readonly refreshToken: string | null;
  /** Unix milliseconds: the ID token's `exp`. */
  readonly expiresAt: number;
  /** For `X-authentik-jwt`: the access token if it is a JWT made for us, as authentik's are, else the ID token. */
  readonly jwt: string;
}

export type CallbackOutcome =
  | { readonly kind: 'code'; readonly code: string; readonly state: string; readonly iss: string | undefined }
  /** `state` is '' when none came back: some errors happen before the identity provider has read it. */
  | { readonly kind: 'error'; readonly error: string; readonly description: string; readonly state: string }
  | { readonly kind: 'malformed' };

export type TokenResponse = openid.TokenEndpointResponse & openid.TokenEndpointResponseHelpers;
export type TokenPayload = Readonly<Record<string, unknown>>;

/** `random`: node's `randomBytes` or a test's. `somebodyElse`: not simply whom the identity provider remembers. */
export async function beginLogin(
  client: OidcClient,
  random: (size: number) => Buffer,
  somebodyElse = false,
): Promise<LoginRequest> {
  const { metadata } = await client.discover();
  const [state, nonce, codeVerifier] = [secretText(random), secretText(random), secretText(random)];
  const startedAt = client.now();
  const url = await authorizationUrl(client, {
    response_type: 'code',
    redirect_uri: client.redirectUri,
    scope: client.oidc.scopes.join(' '),
    state,
    nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(codeVerifier),
    code_challenge_method: 'S256',
    ...(somebodyElse && promptForAnother(metadata)),
  });
  return { url: url.href, state, nonce, codeVerifier, startedAt };
}

/** 256 bits, 43 characters: also what RFC 7636 §4.1 asks of a verifier. */
function secretText(random: (size: number) => Buffer): string {
  return random(32).toString('base64url');
}

/** What came back from the authorization endpoint. Error codes that are not registered become `other`. */
export function callbackOutcome(params: URLSearchParams): CallbackOutcome {
  for (const name of new Set(params.keys())) if (params.getAll(name).length > 1) return { kind: 'malformed' };
  const state = params.get('state') ?? '';
  const [code, error] = [params.get('code'), params.get('error')];
  if (error !== null) {
    const description = printable(params.get('error_description') ?? '');
    return { kind: 'error', error: knownOauthError(error), description, state };
  }
  if (state === '' || code === null || code === '') return { kind: 'malformed' };
  return { kind: 'code', code, state, iss: params.get('iss') ?? undefined };
}

/**
 * Redeems the code and verifies what it brings. The caller has matched `state` and refused doubled parameters.
 * Rejects with `idp_unreachable`, `idp_rejected` (the OAuth error code in the message), `token_invalid` (the check) or
 * `login_insufficient` (the setting).
 */
export async function finishLogin(
  client: OidcClient,
  callback: { readonly code: string; readonly iss?: string | undefined },
  expected: Omit<LoginRequest, 'url'>,
): Promise<LoginResult> {
  const provider = await client.discover();
  checkResponseIssuer(provider, callback.iss);
  // Not `authorizationCodeGrant`: it drops the query of the redirect URI, and authentik's has one.
  const tokens = await openid
    .genericGrantRequest(provider.configuration, 'authorization_code', {
      code: callback.code,
      redirect_uri: client.redirectUri,
      code_verifier: expected.codeVerifier,
    })
    .catch((error: unknown) => Promise.reject(refused(client, error, 'the token endpoint')));
  if (tokens.id_token === undefined)
    throw new AkproxError('idp_rejected', 'the token endpoint sent no ID token: is `openid` in oidc.scopes?');
  const payload = await verifyJwt(client, tokens.id_token, { nonce: expected.nonce });
  checkAuthentication(client, payload, expected.startedAt);
  const jwt = await jwtToPassOn(client, payload, tokens);
  const source = sourceOfClaims(client, payload, tokens, jwt);
  const complete = await completeClaims(client, provider, { ...payload, ...source }, tokens.access_token);
  return {
    claims: claimsOfLogin(client, complete),
    idToken: tokens.id_token,
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? null,
    expiresAt: expiryOf(source),
    jwt,
  };
}

/** RFC 9207 §2.4: against mix-up with another identity provider. */
function checkResponseIssuer(provider: DiscoveredProvider, iss: string | undefined): void {
  const promised = provider.metadata.authorization_response_iss_parameter_supported === true;
  if (iss === undefined ? promised : iss !== provider.metadata.issuer) {
    throw new AkproxError('token_invalid', 'the callback was refused: iss');
  }
}

export async function jwtToPassOn(client: OidcClient, payload: TokenPayload, tokens: TokenResponse): Promise<string> {
  const token = tokens.access_token;
  if (token.split('.').length === 3) {
    const result = await checkJwt(client, token, { withKnownKeys: true });
    if (!('failed' in result) && result.payload.sub === payload['sub']) return token;
  }
  return tokens.id_token ?? '';
}

/** Whose claims count. `jwt`: what `jwtToPassOn` answered; verified there, or it would be the ID token. */
export function sourceOfClaims(
  client: OidcClient,
  payload: TokenPayload,
  tokens: TokenResponse,
  jwt: string,
): TokenPayload {
  return client.claimsFrom === 'access_token' && jwt === tokens.access_token ? decodeJwt(jwt) : payload;
}

export function expiryOf(payload: TokenPayload): number {
  return Math.floor(Number(payload['exp']) * 1_000);
}

/** Servers and proxies refuse long URLs, and response heads too; an ID token with many groups has tens of kilobytes. */
const LONGEST_HINT = 2_048;

/**
 * OIDC RP-Initiated Logout 1.0 §2. Null when the identity provider has no such endpoint. Without a hint it may ask the
 * user; which client asks is always said.
 */
export async function endSessionUrl(
  client: OidcClient,
  request: { readonly idToken: string | null; readonly postLogoutRedirectUri: string; readonly state: string },
): Promise<string | null> {
  const { configuration, metadata } = await client.discover();
  if (metadata.end_session_endpoint === undefined) return null;
  const url = openid.buildEndSessionUrl(configuration, {
    post_logout_redirect_uri: request.postLogoutRedirectUri,
    ...(request.idToken && request.idToken.length <= LONGEST_HINT ? { id_token_hint: request.idToken } : {}),
    state: request.state,
  });
  return url.href;
}
