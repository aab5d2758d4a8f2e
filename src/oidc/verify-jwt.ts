// Verifies a JWT of the identity provider: signature first, with our key and our algorithm, then every claim that says whom
// and when it is for. ID tokens, access tokens and logout tokens all pass through here.
import { type CryptoKey, errors, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import { AkproxError } from '../infra/errors.js';
import { LEEWAY, type OidcClient } from './client.js';
import { ENCRYPTED } from './failures.js';
import type { Bringer } from './key-set.js';

/** What about a token was wrong. */
export type JwtCheck =
  | 'format'
  | 'encrypted'
  | 'alg'
  | 'key'
  | 'signature'
  | 'typ'
  | 'iss'
  | 'aud'
  | 'azp'
  | 'sub'
  | 'exp'
  | 'nbf'
  | 'iat'
  | 'nonce';

export interface JwtExpectations {
  /** When absent, the token's nonce is not looked at. */
  readonly nonce?: string;
  /** Claims that must be there besides `iss` and `aud`. Default: `sub` and `exp`. */
  readonly required?: readonly string[];
  /** Unix milliseconds; default: the client's clock. */
  readonly now?: number;
  /** Default: the identity provider, which we asked for the token. */
  readonly bringer?: Bringer;
  /** Not worth asking for keys again: it may well be signed by somebody else. */
  readonly withKnownKeys?: boolean;
}

export interface VerifiedJwt {
  readonly payload: JWTPayload;
  readonly typ: string | undefined;
}

const LONGEST_TOKEN = 65_536;

/** Rejects with `token_invalid`, naming the check, or with the error of an identity provider that cannot be asked for its keys. */
export async function verifyJwt(client: OidcClient, token: string, expect: JwtExpectations = {}): Promise<JWTPayload> {
  const result = await checkJwt(client, token, expect);
  if ('failed' in result) throw refusedToken(result.failed);
  return result.payload;
}

/** The same as a value. Rejects only when the identity provider cannot be asked. */
export async function checkJwt(
  client: OidcClient,
  token: string,
  expect: JwtExpectations = {},
): Promise<VerifiedJwt | { readonly failed: JwtCheck }> {
  if (token.length > LONGEST_TOKEN) return { failed: 'format' };
  // A JWE in its compact form (RFC 7516 §3.1).
  if (token.split('.').length === 5) return { failed: 'encrypted' };
  const provider = await client.discover();
  const now = expect.now ?? client.now();
  let verified: VerifiedJwt;
  try {
    const options = {
      algorithms: [...provider.algorithms],
      issuer: client.oidc.issuer,
      audience: client.oidc.client_id,
      clockTolerance: LEEWAY,
      currentDate: new Date(now),
      requiredClaims: [...(expect.required ?? ['sub', 'exp'])],
    };
    const { bringer = 'identity_provider', withKnownKeys } = expect;
    verified = await provider.keys.use((key) => verifySignature(key, token, options), bringer, withKnownKeys);
  } catch (error) {
    if (error instanceof AkproxError) throw error;
    return { failed: nameCheck(error) };
  }
  const failed = checkClaims(client, verified.payload, expect, now);
  return failed === null ? verified : { failed };
}

/** `check`: what about it was wrong. */
export function refusedToken(check: string): AkproxError {
  const why = check === 'encrypted' ? ENCRYPTED : check;
  return new AkproxError('token_invalid', `the identity provider's token was refused: ${why}`);
}

async function verifySignature(
  select: JWTVerifyGetKey,
  token: string,
  options: JWTVerifyOptions,
): Promise<VerifiedJwt> {
  // Without a `kid` several keys may fit: all of them are tried.
  const candidates: CryptoKey[] = [];
  const key: JWTVerifyGetKey = async (header, input) => {
    try {
      return await select(header, input);
    } catch (error) {
      if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
      for await (const candidate of error) candidates.push(candidate);
      const first = candidates.shift();
      if (first === undefined) throw error;
      return first;
    }
  };
  try {
    return read(await jwtVerify(token, key, options));
  } catch (error) {
    let last = error;
    for (const candidate of candidates) {
      if (!(last instanceof errors.JWSSignatureVerificationFailed)) break;
      try {
        return read(await jwtVerify(token, candidate, options));
      } catch (next) {
        last = next;
      }
    }
    throw last;
  }
}

function read(result: { payload: JWTPayload; protectedHeader: { typ?: string } }): VerifiedJwt {
  return { payload: result.payload, typ: result.protectedHeader.typ };
}

function checkClaims(client: OidcClient, payload: JWTPayload, expect: JwtExpectations, now: number): JwtCheck | null {
  const { sub, aud, iat } = payload;
  if (sub !== undefined && (typeof sub !== 'string' || sub === '' || sub.length > 255)) return 'sub';
  // Several audiences: the token must have been made for us (OIDC Core §3.1.3.7, 4 and 5).
  if (Array.isArray(aud) && aud.length > 1 && payload['azp'] !== client.oidc.client_id) return 'azp';
  if (iat !== undefined && (!Number.isFinite(iat) || iat * 1_000 > now + LEEWAY * 1_000)) return 'iat';
  if (expect.nonce !== undefined && payload['nonce'] !== expect.nonce) return 'nonce';
  return null;
}

const NAMED = new Set<string>(['iss', 'aud', 'sub', 'exp', 'nbf', 'iat', 'typ']);

function nameCheck(error: unknown): JwtCheck {
  if (error instanceof errors.JWTExpired) return 'exp';
  if (error instanceof errors.JWTClaimValidationFailed)
    return NAMED.has(error.claim) ? (error.claim as JwtCheck) : 'format';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'alg';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'signature';
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) return 'key';
  return error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid ? 'format' : 'key';
}
