// Our half of one identity provider: its metadata, found on first use and then kept, how we authenticate, and which key and
// algorithm its tokens are verified with. The algorithm comes from the configuration or from discovery, never from a token.
import type { JSONWebKeySet } from 'jose';
import * as openid from 'openid-client';
import type { AccessRule } from '../application/access.js';
import { isSigningAlgorithm, isSymmetric } from '../application/signing-algorithms.js';
import type { ProviderConfig } from '../config/schema.js';
import { AtOnce } from '../infra/at-once.js';
import { createBackoff } from '../infra/backoff.js';
import { AkproxError } from '../infra/errors.js';
import type { OutgoingProxies } from '../infra/outgoing-proxy.js';
import { systemTimers, type Timers } from '../infra/timers.js';
import { isRecord } from '../infra/untyped.js';
import { clientAuth } from './client-auth.js';
import { publicMetadata, throughInternalUrl } from './endpoints.js';
import { translate } from './failures.js';
import { createKeySet, type KeySet } from './key-set.js';
import { outgoingFetch } from './outgoing-fetch.js';
import { type TokenListener, withoutNullMembers } from './token-answer.js';
import { createTransport, type Transport } from './transport.js';

export interface OidcEvent {
  readonly event:
    | 'discovered'
    | 'discovery_failed'
    | 'request_object_required'
    | 'userinfo_failed'
    | 'introspection_unsupported'
    | 'groups_missing'
    | 'groups_left_out'
    | 'groups_lost'
    | 'error_described';
  readonly error?: unknown;
  /** Of `error_described`. */
  readonly endpoint?: string;
  /** What the identity provider says: printable and short, and for nobody but whoever reads at debug level. */
  readonly description?: string;
}

export interface OidcClientOptions {
  readonly oidc: ProviderConfig['oidc'];
  /** Default: where they are unless set. */
  readonly claims?: ProviderConfig['claims'];
  /** What the rule needs is asked for. Default: nothing. */
  readonly access?: AccessRule;
  readonly redirectUri: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Milliseconds, for what is kept for a while. */
  readonly monotonic: () => number;
  /** Default: by way of `proxies`, with the CA that `oidc` names. */
  readonly fetch?: typeof fetch;
  readonly proxies?: OutgoingProxies | undefined;
  /** Instead of discovery, for a source that knows the endpoints (authentik). They may be http: then; the operator chose them. */
  readonly metadata?: openid.ServerMetadata;
  /** Whose claims count: authentik's access token is a JWT and has them all. Default: the ID token's. */
  readonly claimsFrom?: 'id_token' | 'access_token';
  readonly log?: (event: OidcEvent) => void;
  /** 0 to 1, for the jitter. */
  readonly random?: () => number;
  readonly timers?: Timers;
}

export interface OidcClient {
  readonly oidc: ProviderConfig['oidc'];
  readonly claims: ProviderConfig['claims'];
  readonly access: AccessRule;
  readonly redirectUri: string;
  readonly now: () => number;
  readonly claimsFrom: 'id_token' | 'access_token';
  readonly log: (event: OidcEvent) => void;
  /** Pushed authorization requests: anybody can begin a login. */
  readonly pushes: AtOnce;
  /** Discovers if that has not succeeded yet. Rejects with `idp_unreachable` or `idp_rejected`. */
  discover(): Promise<DiscoveredProvider>;
  /** What `discover` found, if it has. */
  readonly provider: DiscoveredProvider | null;
  /** Discovers in the background, again and again until it succeeds. */
  warmUp(signal?: AbortSignal): void;
  /** Ends the warm-up. The client stays usable. */
  close(): void;
}

/** All that is known once the identity provider has answered. */
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

/** Seconds that two clocks may differ. */
export const LEEWAY = 60;

/**
 * Seconds. When a token begins and ends is looked at in verify-jwt.ts, and in introspection.ts, by a clock that does not jump; openid-client knows
 * the system's alone.
 */
const NOT_TO_OPENID_CLIENT = 1_000_000_000;

const FAILURE_KEPT = 1_000;
/** No attempt is earlier than `FAILURE_KEPT`, jitter included. */
const RETRIES = { first: 1_250, longest: 75_000, jitter: 1 / 5 };
const TIMEOUT_SECONDS = 10;
const MOST_PUSHES = 128;

export function createOidcClient(options: OidcClientOptions): OidcClient {
  const { oidc, now, monotonic } = options;
  const log = options.log ?? (() => {});
  const random = options.random ?? Math.random;
  const fetching = options.fetch ?? outgoingFetch({ ca: oidc.ca, proxies: options.proxies });
  const trust = options.metadata === undefined ? 'oidc.ca' : 'AUTHENTIK_INSECURE';
  const transport = throughInternalUrl(createTransport(fetching, trust), oidc);
  const closing = new AbortController();

  let provider: DiscoveredProvider | null = null;
  let pending: Promise<DiscoveredProvider> | null = null;
  let failure: { error: AkproxError; until: number } | null = null;

  async function discover(): Promise<DiscoveredProvider> {
    if (provider) return provider;
    if (pending) return pending;
    // A storm of logins must not become a storm of discoveries.
    if (failure && monotonic() < failure.until) throw failure.error;
    pending = establish(options, transport).then(
      (made) => {
        provider = made;
        failure = null;
        log({ event: 'discovered' });
        if (made.metadata.require_signed_request_object === true) log({ event: 'request_object_required' });
        return made;
      },
      (cause: unknown) => {
        const error = translate(cause, 'the discovery document');
        failure = { error, until: monotonic() + FAILURE_KEPT };
        log({ event: 'discovery_failed', error });
        throw error;
      },
    );
    try {
      return await pending;
    } finally {
      pending = null;
    }
  }

  function warmUp(signal?: AbortSignal): void {
    const stop = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
    const backoff = createBackoff({ ...RETRIES, random });
    let cancel = (): void => {};
    const attempt = (): void => {
      discover().catch(() => {
        if (!stop.aborted) cancel = systemTimers.after(backoff.next(), attempt);
      });
    };
    stop.addEventListener('abort', () => cancel(), { once: true });
    if (!stop.aborted) attempt();
  }

  return {
    oidc,
    claims: options.claims ?? { groups: 'groups', keep: false },
    access: options.access ?? { groups: [], emails: [], email_domains: [] },
    redirectUri: options.redirectUri,
    now,
    claimsFrom: options.claimsFrom ?? 'id_token',
    log,
    pushes: new AtOnce(MOST_PUSHES, { code: 'idp_unreachable', message: 'too many logins are being begun at once' }),
    discover,
    get provider() {
      return provider;
    },
    warmUp,
    close: () => closing.abort(),
  };
}

async function establish(options: OidcClientOptions, transport: Transport): Promise<DiscoveredProvider> {
  const { oidc } = options;
  const insecure = new URL(oidc.issuer).protocol === 'http:' || options.metadata !== undefined;
  const metadata = options.metadata ?? publicMetadata(await discover(oidc, transport, insecure), oidc);
  // Exactly, trailing slash included: `iss` of every token is compared with this string (OIDC Discovery §4.3).
  if (metadata.issuer !== oidc.issuer) throw wrongIssuer(oidc.issuer, metadata.issuer);
  const algorithm = chooseAlgorithm(oidc, metadata);
  const algorithms = sameAlgorithm(algorithm);
  const configure = (auth: openid.ClientAuth, heard?: TokenListener): openid.Configuration => {
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
      auth,
    );
    configuration[openid.customFetch] = withoutNullMembers(transport, metadata.token_endpoint, heard);
    configuration.timeout = TIMEOUT_SECONDS;
    if (insecure) openid.allowInsecureRequests(configuration);
    return configuration;
  };
  const auth = await clientAuth(oidc, metadata, options.metadata === undefined);
  return {
    metadata,
    configuration: configure(auth),
    hearing: (heard) => configure(auth, heard),
    anonymous: configure(openid.None()),
    algorithms,
    keys: isSymmetric(algorithm) ? sharedKey(oidc) : publicKeys(metadata, options, transport, insecure),
  };
}

async function discover(
  oidc: ProviderConfig['oidc'],
  transport: Transport,
  insecure: boolean,
): Promise<openid.ServerMetadata> {
  try {
    const found = await openid.discovery(new URL(oidc.issuer), oidc.client_id, undefined, openid.None(), {
      [openid.customFetch]: transport,
      timeout: TIMEOUT_SECONDS,
      execute: insecure ? [openid.allowInsecureRequests] : [],
    });
    return found.serverMetadata();
  } catch (error) {
    const facts = error instanceof openid.ClientError ? error.cause : undefined;
    if (isRecord(facts) && facts['attribute'] === 'issuer' && isRecord(facts['body'])) {
      throw wrongIssuer(oidc.issuer, String(facts['body']['issuer']));
    }
    // Whatever stands at that address, it is not the identity provider that was configured, or not yet.
    const failed = translate(error, 'the discovery document');
    throw failed.code === 'idp_unreachable' ? failed : new AkproxError('idp_unreachable', failed.message, failed.cause);
  }
}

function wrongIssuer(configured: string, found: string): AkproxError {
  const text = `oidc.issuer is ${JSON.stringify(configured)}, but the identity provider calls itself ${JSON.stringify(found.slice(0, 200))}`;
  return new AkproxError('idp_rejected', text);
}

function chooseAlgorithm(oidc: ProviderConfig['oidc'], metadata: openid.ServerMetadata): string {
  const listed = metadata.id_token_signing_alg_values_supported ?? ['RS256'];
  const only = listed.length === 1 ? listed[0] : undefined;
  const chosen = oidc.id_token_signed_response_alg ?? only ?? (listed.includes('RS256') ? 'RS256' : undefined);
  if (chosen !== undefined && isSigningAlgorithm(chosen)) return chosen;
  const choices = listed.filter(isSigningAlgorithm).join(', ') || 'none that akprox knows';
  throw new AkproxError(
    'idp_rejected',
    `set oidc.id_token_signed_response_alg; the identity provider offers ${choices}`,
  );
}

/** RFC 9864 renamed EdDSA with this curve to Ed25519; an identity provider may be on either side of that. */
function sameAlgorithm(algorithm: string): readonly string[] {
  return algorithm === 'EdDSA' || algorithm === 'Ed25519' ? ['EdDSA', 'Ed25519'] : [algorithm];
}

/** OIDC Core §10.1: the key of an HMAC is the UTF-8 bytes of the client secret. */
function sharedKey(oidc: ProviderConfig['oidc']): KeySet {
  if (oidc.client_secret === undefined) {
    throw new AkproxError('idp_rejected', 'the identity provider signs with HMAC, which needs oidc.client_secret');
  }
  const key = new TextEncoder().encode(oidc.client_secret);
  return { use: (verify) => verify(async () => key) };
}

function publicKeys(
  metadata: openid.ServerMetadata,
  { monotonic, timers = systemTimers }: OidcClientOptions,
  transport: Transport,
  insecure: boolean,
): KeySet {
  const text = metadata.jwks_uri ?? '';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !(url.protocol === 'https:' || (insecure && url.protocol === 'http:'))) {
    throw new AkproxError('idp_rejected', 'the identity provider names no usable jwks_uri');
  }
  return createKeySet({ fetch: () => fetchKeys(transport, url.href), monotonic, timers });
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
