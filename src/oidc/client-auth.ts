// How we say who we are at the identity provider's own endpoints (contract §3).
import { type CryptoKey, importJWK } from 'jose';
import * as openid from 'openid-client';
import { readClientKey } from '../application/client-key.js';
import type { ProviderConfig } from '../config/schema.js';
import { AkproxError } from '../infra/errors.js';

/** `discovered`: `metadata` is the identity provider's own and not a source's (authentik). */
export async function clientAuth(
  oidc: ProviderConfig['oidc'],
  metadata: openid.ServerMetadata,
  discovered: boolean,
): Promise<openid.ClientAuth> {
  const { client_secret: secret, private_key: key, token_endpoint_auth_method: configured } = oidc;
  if (configured === 'private_key_jwt') return keyAuth(key ?? '', metadata);
  if (secret === undefined || configured === 'none') return openid.None();
  // authentik takes both.
  const unless = discovered ? preferredAuthMethod(metadata) : 'client_secret_post';
  return (configured ?? unless) === 'client_secret_basic'
    ? openid.ClientSecretBasic(secret)
    : openid.ClientSecretPost(secret);
}

/** What is not listed is client_secret_basic (OIDC Discovery §3), which every provider has to take (RFC 6749 §2.3.1). */
function preferredAuthMethod(metadata: openid.ServerMetadata): 'client_secret_basic' | 'client_secret_post' {
  const listed = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  return !listed.includes('client_secret_basic') && listed.includes('client_secret_post')
    ? 'client_secret_post'
    : 'client_secret_basic';
}

async function keyAuth(text: string, metadata: openid.ServerMetadata): Promise<openid.ClientAuth> {
  const read = readClientKey(text);
  if (typeof read === 'string') throw new AkproxError('config_invalid', `oidc.private_key ${read}`);
  const { algorithms, kid, jwk } = read;
  const listed = metadata.token_endpoint_auth_signing_alg_values_supported;
  const algorithm = algorithms.find((one) => listed?.includes(one)) ?? algorithms[0] ?? '';
  const key = (await importJWK(jwk, algorithm)) as CryptoKey;
  return openid.PrivateKeyJwt(kid === undefined ? key : { key, kid }, {
    // openid-client knows Ed25519 by its new name only.
    [openid.modifyAssertion]: (header) => {
      header['alg'] = algorithm;
    },
  });
}
