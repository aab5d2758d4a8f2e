// What header authentication asks the identity provider: is this bearer token good and ours (RFC 7662), and do this name and
// password make a token (authentik's client-credentials grant)? Neither makes a session here.
import * as openid from 'openid-client';
import { type Claims, readClaims } from '../application/claims.js';
import { LEEWAY, type OidcClient } from './client.js';
import { refusal, translate } from './failures.js';
import { expiryOf, type LoginResult } from './flow.js';
import { refusedToken, verifyJwt } from './verify-jwt.js';

export type Introspection =
  /** `expiresAt` in Unix milliseconds. */
  { readonly active: true; readonly claims: Claims; readonly expiresAt: number | null } | { readonly active: false };

const LONGEST_TOKEN = 16_384;

/** Rejects when the identity provider cannot be asked. Without an introspection endpoint no token is active. */
export async function introspect(client: OidcClient, token: string): Promise<Introspection> {
  if (token === '' || token.length > LONGEST_TOKEN) return { active: false };
  const { configuration, metadata } = await client.discover();
  if (metadata.introspection_endpoint === undefined) {
    client.log({ event: 'introspection_unsupported' });
    return { active: false };
  }
  const answer = await openid
    .tokenIntrospection(configuration, token, { token_type_hint: 'access_token' })
    .catch((error: unknown) => Promise.reject(translate(error, 'the introspection endpoint')));
  return judge(client, answer);
}

/** Any active token of that provider would do otherwise, one that another application got for its own use included. */
function judge(client: OidcClient, answer: openid.IntrospectionResponse): Introspection {
  const { aud, iss, exp, nbf } = answer;
  const now = client.now();
  if (answer.active !== true) return { active: false };
  if (!(Array.isArray(aud) ? aud : [aud]).includes(client.oidc.client_id)) return { active: false };
  if (iss !== undefined && iss !== client.oidc.issuer) return { active: false };
  if (exp !== undefined && !(Number.isFinite(exp) && exp * 1_000 > now)) return { active: false };
  if (nbf !== undefined && !(Number.isFinite(nbf) && nbf * 1_000 <= now + LEEWAY * 1_000)) return { active: false };
  const claims = readClaims(answer, client.claims);
  if (claims.sub === '' || claims.sub.length > 255) return { active: false };
  return { active: true, claims, expiresAt: exp === undefined ? null : Math.floor(exp * 1_000) };
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
      if (refusal(error) !== null) return null;
      throw translate(error, 'the token endpoint');
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
