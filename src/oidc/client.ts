// Our half of one identity provider: its metadata, found on first use and then kept, how we authenticate, and which key and
// algorithm its tokens are verified with. The algorithm comes from the configuration or from discovery, never from a token.
import type { ServerMetadata } from 'openid-client';
import type { AccessRule } from '../application/access.js';
import type { ProviderConfig } from '../config/schema.js';
import { AtOnce } from '../infra/at-once.js';
import { createBackoff } from '../infra/backoff.js';
import { AkproxError } from '../infra/errors.js';
import type { OutgoingProxies } from '../infra/outgoing-proxy.js';
import { systemTimers, type Timers } from '../infra/timers.js';
import type { DiscoveredProvider } from './configured.js';
import { type Discovered, discoverProvider } from './discovery.js';
import { throughInternalUrl } from './endpoints.js';
import { outgoingFetch } from './outgoing-fetch.js';
import { type ReadDocument, readPlainly } from './read-plainly.js';
import { createTransport, type Transport } from './transport.js';
import { type Watch, watched } from './watched.js';

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
  readonly metadata?: ServerMetadata;
  /** Whose claims count: authentik's access token is a JWT and has them all. Default: the ID token's. */
  readonly claimsFrom?: 'id_token' | 'access_token';
  readonly log?: (event: OidcEvent) => void;
  readonly watch?: Watch;
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
  /** What it says about itself, if it has been asked. */
  readonly provider: Discovered | null;
  /** Discovers in the background, again and again until it succeeds. */
  warmUp(signal?: AbortSignal): void;
  /** Ends the warm-up. The client stays usable. */
  close(): void;
}

/** Seconds that two clocks may differ. */
export const LEEWAY = 60;

const FAILURE_KEPT = 1_000;
/** No attempt is earlier than `FAILURE_KEPT`, jitter included. */
const RETRIES = { first: 1_250, longest: 75_000, jitter: 1 / 5 };
const MOST_PUSHES = 128;

export function createOidcClient(options: OidcClientOptions): OidcClient {
  const { oidc, now, monotonic } = options;
  const log = options.log ?? (() => {});
  const random = options.random ?? Math.random;
  const trust = options.metadata === undefined ? 'oidc.ca' : 'AUTHENTIK_INSECURE';
  const fetching = options.fetch ?? outgoingFetch({ ca: oidc.ca, proxies: options.proxies });
  const transport = throughInternalUrl(watched(createTransport(fetching, trust), options.watch), oidc);
  const isPlain = options.fetch === undefined && options.proxies === undefined;
  const read = throughInternalUrl(
    watched(isPlain ? readPlainly(oidc.ca, trust) : readBy(createTransport(fetching, trust)), options.watch),
    oidc,
  );
  const closing = new AbortController();

  let provider: Discovered | null = null;
  let pending: Promise<Discovered> | null = null;
  let failure: { error: AkproxError; until: number } | null = null;
  let configured: Promise<DiscoveredProvider> | null = null;

  async function learn(): Promise<Discovered> {
    if (provider) return provider;
    if (pending !== null) return pending;
    // A storm of logins must not become a storm of discoveries.
    if (failure && monotonic() < failure.until) throw failure.error;
    pending = discoverProvider(oidc, read, options.metadata).then(
      (found) => {
        provider = found;
        failure = null;
        log({ event: 'discovered' });
        if (found.metadata.require_signed_request_object === true) log({ event: 'request_object_required' });
        return found;
      },
      (cause: unknown) => {
        const error =
          cause instanceof AkproxError
            ? cause
            : new AkproxError('idp_unreachable', 'the discovery document could not be asked', cause);
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

  async function discover(): Promise<DiscoveredProvider> {
    const found = await learn();
    configured ??= configure(found).catch((error: unknown) => {
      configured = null;
      throw error;
    });
    return configured;
  }

  async function configure(found: Discovered): Promise<DiscoveredProvider> {
    const { configureProvider } = await import('./configured.js');
    const { metadata, timers = systemTimers } = options;
    return configureProvider(found, { oidc, transport, ownWord: metadata === undefined, monotonic, timers });
  }

  function warmUp(signal?: AbortSignal): void {
    const stop = signal ? AbortSignal.any([signal, closing.signal]) : closing.signal;
    const backoff = createBackoff({ ...RETRIES, random });
    let cancel = (): void => {};
    const attempt = (): void => {
      learn().catch(() => {
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

function readBy(transport: Transport): ReadDocument {
  return async (url) => {
    const response = await transport(url, { method: 'GET', headers: { Accept: 'application/json' } });
    return { status: response.status, text: await response.text() };
  };
}
