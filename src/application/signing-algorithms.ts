// The signature algorithms of tokens that we can verify (RFC 7518 §3.1, RFC 9864), for the configuration, for what authentik and
// for what discovery name. `none` is not one of them.

export const SIGNING_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
  'HS256',
  'HS384',
  'HS512',
] as const;

export function isSigningAlgorithm(algorithm: string): boolean {
  return (SIGNING_ALGORITHMS as readonly string[]).includes(algorithm);
}

/** With an HMAC the client secret is the key (OIDC Core §10.1). */
export function isSymmetric(algorithm: string): boolean {
  return algorithm.startsWith('HS');
}
