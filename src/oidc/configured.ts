// A discovered identity provider as openid-client and jose know it. Loaded when somebody first has something to ask it: both of them and
// `fetch` are a third of an idle worker's memory.
import type { JSONWebKeySet } from 'jose';
import * as openid from 'openid-client';
import type { ProviderConfig } from '../config/schema.js';
import { AkproxError } from '../infra/errors.js';
import type { Timers } from '../infra/timers.js';
import { isRecord } from '../infra/untyped.js';
import { clientAuth } from './client-auth.js';
import { type Discovered, sameAlgorithm } from './discovery.js';
import { createKeySet, type KeySet } from './key-set.js';
import { type TokenListener, withoutNullMembers } from './token-answer.js';
import type { Transport } from './transport.js';

/** What is needed to ask an identity provider, and to verify what it answers. */
export interface DiscoveredProvider {
  readonly metadata: openid.ServerMetadata;
  /** Authenticates as configured. */
  readonly configuration: openid.Configuration;
  /** The same, for one request to the token endpoint. */
  hearing(heard: TokenListener): openid.Configuration;
  /** Sends the client id and no secret. */
  readonly anonymous: openid.Configuration;
  /** Header `alg` values that count as the configured algorithm. */
  readonly algorithms: readonly string[];
  readonly keys: KeySet;
}

/**
 * Seconds. When a token begins and ends is looked at in verify-jwt.ts, and in introspection.ts, by a clock that does not jump; openid-client knows
 * the system's alone.
 */
const NOT_TO_OPENID_CLIENT = 1_000_000_000;
const TIMEOUT_SECONDS = 10;

export interface ConfigureOptions {
  readonly oidc: ProviderConfig['oidc'];
  readonly transport: Transport;
  /** `discovered` is the identity provider's own word and not a source's (authentik). */
  readonly ownWord: boolean;
  /** Milliseconds. */
  readonly monotonic: () => number;
  readonly timers: Timers;
}

export async function configureProvider(
  { metadata, algorithms, keysAt, insecure }: Discovered,
  { oidc, transport, ownWord, monotonic, timers }: ConfigureOptions,
): Promise<DiscoveredProvider> {
  const configure = (authentication: openid.ClientAuth, heard?: TokenListener): openid.Configuration => {
    const server = {
      ...metadata,
      id_token_signing_alg_values_supported: [...algorithms],
      // Optional metadata; a signed userinfo answer is signed as ID tokens are then.
      userinfo_signing_alg_values_supported: metadata.userinfo_signing_alg_values_supported ?? [...algorithms],
    };
    const configuration = new openid.Configuration(
      server,
      oidc.client_id,
      { [openid.clockTolerance]: NOT_TO_OPENID_CLIENT },
      authentication,
    );
    configuration[openid.customFetch] = withoutNullMembers(transport, metadata.token_endpoint, heard);
    configuration.timeout = TIMEOUT_SECONDS;
    if (insecure) openid.allowInsecureRequests(configuration);
    return configuration;
  };
  const authentication = await clientAuth(oidc, metadata, ownWord);
  return {
    metadata,
    configuration: configure(authentication),
    hearing: (heard) => configure(authentication, heard),
    anonymous: configure(openid.None()),
    algorithms,
    keys:
      keysAt === null
        ? sharedKey(oidc.client_secret ?? '')
        : createKeySet({ fetch: () => fetchKeys(transport, keysAt), monotonic, timers }),
  };
}

/** OIDC Core §10.1: the key of an HMAC is the UTF-8 bytes of the client secret. */
function sharedKey(secret: string): KeySet {
  const key = new TextEncoder().encode(secret);
  return { use: (verify) => verify(async () => key) };
}

/** jose selects keys by their `alg` too; for the two names of Ed25519 that would be one name too strict. */
async function fetchKeys(transport: Transport, url: string): Promise<JSONWebKeySet> {
  const headers = { Accept: 'application/json, application/jwk-set+json' };
  const response = await transport(url, { method: 'GET', headers });
  const body: unknown = response.status === 200 ? await response.json().catch(() => null) : null;
  if (!isRecord(body) || !Array.isArray(body['keys'])) {
    throw new AkproxError(
      'idp_unreachable',
      `the identity provider's key set could not be read (status ${response.status})`,
    );
  }
  const keys = body['keys']
    .filter(isRecord)
    .map((key) => (sameAlgorithm(String(key['alg'])).length > 1 ? { ...key, alg: undefined } : key));
  return { keys } as JSONWebKeySet; // each is looked at by jose when it is used
}
