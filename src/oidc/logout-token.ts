// Is this a logout token of our identity provider, for us, and fresh? OIDC Back-Channel Logout 1.0 §2.6. Whether its `jti` was
// seen before is the caller's to know.
import { isRecord } from '../infra/untyped.js';
import type { OidcClient } from './client.js';
import { checkJwt, type JwtCheck } from './verify-jwt.js';

export type LogoutTokenResult =
  /** `sub` or `sid` is '' when the token lacks it; never both. `iat` in Unix seconds. */
  | { readonly ok: true; readonly sub: string; readonly sid: string; readonly jti: string; readonly iat: number }
  | { readonly ok: false; readonly reason: JwtCheck | 'events' | 'subject' | 'jti' };

const EVENT = 'http://schemas.openid.net/event/backchannel-logout';
const OLDEST = 300;
const TYPES = new Set(['logout+jwt', 'jwt']);

/** Rejects only when the identity provider cannot be asked for its keys. */
export async function verifyLogoutToken(
  client: OidcClient,
  token: string,
  { now }: { readonly now: () => number },
): Promise<LogoutTokenResult> {
  const at = now();
  const result = await checkJwt(client, token, { required: ['iat'], now: at, bringer: 'stranger' });
  if ('failed' in result) return { ok: false, reason: result.failed };
  const { payload, typ } = result;
  const { sub = '', sid = '', jti, iat = 0 } = payload;
  if (typ !== undefined && !TYPES.has(typ.toLowerCase().replace(/^application\//, '')))
    return { ok: false, reason: 'typ' };
  if (iat < at / 1_000 - OLDEST) return { ok: false, reason: 'iat' };
  if (typeof jti !== 'string' || jti === '' || jti.length > 255) return { ok: false, reason: 'jti' };
  // This member and the ban on `nonce` are what keep an ID token from passing as a logout token.
  const events = payload['events'];
  if (!isRecord(events) || !isRecord(events[EVENT])) return { ok: false, reason: 'events' };
  if ('nonce' in payload) return { ok: false, reason: 'nonce' };
  if (typeof sid !== 'string' || (sub === '' && sid === '')) return { ok: false, reason: 'subject' };
  return { ok: true, sub, sid, jti, iat };
}
