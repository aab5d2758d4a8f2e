// What header authentication asks the identity provider: is this bearer token good and ours (RFC 7662), and do this name and
// password make a token (authentik's client-credentials grant)? Neither makes a session here.
import * as openid from 'openid-client';
import { type Claims, readClaims } from '../application/claims.js';
import { LEEWAY, type OidcClient } from './client.js';
import { refusal, refused } from './failures.js';
import { expiryOf, type LoginResult } from './flow.js';
import { refusedToken, verifyJwt } from './verify-jwt.js';

/** Why a bearer token does not count. */
export type TokenRefusal =
  | 'too_long'
  | 'no_introspection'
  | 'inactive'
  | 'token_type'
  | 'audience'
  | 'issuer'
  | 'expired'
  | 'not_yet_valid'
  | 'subject';

export type Introspection =
  /** `expiresAt` in Unix milliseconds. */
  | { readonly active: true; readonly claims: Claims; readonly expiresAt: number | null }
  | { readonly active: false; readonly reason: TokenRefusal };

const LONGEST_TOKEN = 16_384;
/** Of a token that opens something. An ID token, which says who somebody is to one client, passes introspection at Keycloak as `ID`. */
const ACCESS_TOKEN_TYPES = ['bearer', 'dpop'];

/** `audiences`: of whose tokens count besides our own. Rejects when the identity provider cannot be asked. */
export async function introspect(
  client: OidcClient,
  token: string,
  audiences: readonly string[] = [],
): Promise<Introspection> {
  if (token === '') return { active: false, reason: 'inactive' };
  if (token.length > LONGEST_TOKEN) return { active: false, reason: 'too_long' };
  const { configuration, metadata } = await client.discover();
  if (metadata.introspection_endpoint === undefined) {
    client.log({ event: 'introspection_unsupported' });
    return { active: false, reason: 'no_introspection' };
  }
  const answer = await openid
    .tokenIntrospection(configuration, token, { token_type_hint: 'access_token' })
    .catch((error: unknown) => Promise.reject(refused(client, error, 'the introspection endpoint')));
  const reason = refuse(client, answer, audiences);
  if (reason !== null) return { active: false, reason };
  const claims = readClaims(answer, client.claims);
  if (claims.sub === '' || claims.sub.length > 255) return { active: false, reason: 'subject' };
  return { active: true, claims, expiresAt: answer.exp === undefined ? null : Math.floor(answer.exp * 1_000) };
}

/** Any active token of that provider would do otherwise, one that another application got for its own use included. */
function refuse(
  client: OidcClient,
  answer: openid.IntrospectionResponse,
  audiences: readonly string[],
): TokenRefusal | null {
  const { aud, iss, exp, nbf } = answer;
  const now = client.now();
  if (answer.active !== true) return 'inactive';
  if (!ACCESS_TOKEN_TYPES.includes(String(answer.token_type ?? 'Bearer').toLowerCase())) return 'token_type';
  // hydra's word for what a token is, of a refresh token too.
  if ((answer['token_use'] ?? 'access_token') !== 'access_token') return 'token_type';
  const ours = [client.oidc.client_id, ...audiences];
  if (![aud].flat().some((audience) => audience !== undefined && ours.includes(audience))) return 'audience';
  if (iss !== undefined && iss !== client.oidc.issuer) return 'issuer';
  if (exp !== undefined && !(Number.isFinite(exp) && exp * 1_000 > now)) return 'expired';
  if (nbf !== undefined && !(Number.isFinite(nbf) && nbf * 1_000 <= now + LEEWAY * 1_000)) return 'not_yet_valid';
  return null;
}

/** Null: wrong user or password. The client secret stays out of it: the user's password is the credential. */
export async function clientCredentials(
  client: OidcClient,
  username: string,
  password: string,
): Promise<LoginResult | null> {
  const { anonymous } = await client.discover();
  const tokens = await openid
    .clientCredentialsGrant(anonymous, { username, password, scope: client.oidc.scopes.join(' ') })
    .catch((error: unknown) => {
      const failed = refused(client, error, 'the token endpoint');
      if (refusal(error) !== null) return null;
      throw failed;
    });
  if (tokens === null) return null;
  const jwt = tokens.id_token ?? tokens.access_token;
  const payload = await verifyJwt(client, jwt);
  if (typeof payload.sub !== 'string') throw refusedToken('sub');
  return {
    claims: readClaims(payload, client.claims),
    idToken: tokens.id_token ?? '',
    accessToken: tokens.access_token,
    refreshToken: null,
    expiresAt: expiryOf(payload),
    jwt,
  };
}
