// The key that a client authenticates with at the token endpoint instead of a secret (`private_key_jwt`, RFC 7523): PEM or JWK.
import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { JWK } from 'jose';
import { isRecord, textOf } from '../infra/untyped.js';

export interface ClientKey {
  /** Private. */
  readonly jwk: JWK;
  /** What it can sign with, the most usual first. A JWK that names one has no other. */
  readonly algorithms: readonly string[];
  /** Of a JWK that has one: how the identity provider finds the public half. */
  readonly kid: string | undefined;
}

const SHORTEST_RSA = 2_048;
const CURVES: Readonly<Record<string, readonly string[]>> = {
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  'P-521': ['ES512'],
  // RFC 9864 has a new name for it; few identity providers know that one alone.
  Ed25519: ['EdDSA', 'Ed25519'],
};
const RSA = ['RS256', 'PS256', 'RS384', 'PS384', 'RS512', 'PS512'];

/** A `string` says what is wrong with it, and nothing of what is in it. */
export function readClientKey(text: string): ClientKey | string {
  const given = parseJwk(text);
  let key: KeyObject;
  try {
    key = given === null ? createPrivateKey(text) : createPrivateKey({ key: given, format: 'jwk' });
  } catch {
    return 'is no private key: expected PEM without a password, or a JWK with its private half';
  }
  const size = key.asymmetricKeyDetails?.modulusLength ?? SHORTEST_RSA;
  if (size < SHORTEST_RSA) return `is an RSA key of less than ${SHORTEST_RSA} bits`;
  const jwk = exported(key);
  const possible = jwk?.kty === 'RSA' ? RSA : CURVES[textOf(jwk?.crv)];
  if (jwk === null || possible === undefined) return 'expected an RSA, P-256, P-384, P-521 or Ed25519 key';
  const named = textOf(given?.['alg']);
  if (named !== '' && !possible.includes(named))
    return `has an alg that does not go with it: ${possible.join(', ')} do`;
  return { jwk, algorithms: named === '' ? possible : [named], kid: textOf(given?.['kid']) || undefined };
}

function parseJwk(text: string): Record<string, unknown> | null {
  if (!text.trimStart().startsWith('{')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

function exported(key: KeyObject): JWK | null {
  try {
    return key.export({ format: 'jwk' }) as JWK;
  } catch {
    // A curve or a kind of RSA key that JWK has no name for.
    return null;
  }
}
