// Header authentication (contract §5): a bearer token or an app password in the Authorization header, asked about at the
// identity provider. No session and no cookie is made. A verdict, good or bad, is kept for at most a minute.
import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { AkproxError } from '../infra/errors.js';
import type { GatedLog } from '../infra/log-gate.js';
import { isAllowed } from '../provider/access.js';
import type { Claims } from '../provider/claims.js';
import { renderIdentity } from '../provider/identity.js';
import type { Provider } from '../provider/provider.js';
import type { OidcClient } from './client.js';
import { clientCredentials, introspect } from './introspection.js';

export type HeaderVerdict =
  | { readonly kind: 'allow'; readonly block: ArrayBuffer }
  | { readonly kind: 'refused' | 'forbidden' | 'unavailable' | 'ignored' };

export interface HeaderAuthOptions {
  readonly oidc: (provider: Provider) => OidcClient;
  readonly now: () => number;
  readonly log: GatedLog;
}

interface Kept {
  /** A changed provider is another question. */
  readonly provider: Provider;
  readonly until: number;
  readonly verdict: HeaderVerdict;
}

const KEPT_FOR = 60_000;
const MOST_KEPT = 10_000;
/** Credentials under verification at once; more get 503. A client can make up credentials faster than the IdP refuses them. */
const MOST_RUNNING = 128;
/** Longer credentials are refused unasked. */
const LONGEST = 16_384;
/** authentik's user name for "the password is a bearer token". */
const TOKEN_USER = 'goauthentik.io/token';

export class HeaderAuth {
  private readonly kept = new LRUCache<string, Kept>({ max: MOST_KEPT });
  private readonly running = new Map<string, Promise<HeaderVerdict>>();
  /** Keys are keyed hashes, so that no credential lies in memory longer than its request. */
  private readonly secret = randomBytes(32);

  constructor(private readonly options: HeaderAuthOptions) {}

  /** Never rejects. */
  async verify(provider: Provider, authorization: string): Promise<HeaderVerdict> {
    const credentials = readCredentials(authorization);
    if (credentials === null) return { kind: 'ignored' };
    if (authorization.length > LONGEST) return { kind: 'refused' };
    const key = createHmac('sha256', this.secret).update(`${provider.id}\0${authorization}`).digest('base64url');
    const kept = this.kept.get(key);
    if (kept !== undefined && kept.provider === provider && this.options.now() < kept.until) return kept.verdict;
    const running = this.running.get(key);
    if (running !== undefined) return running;
    if (this.running.size >= MOST_RUNNING) return { kind: 'unavailable' };
    const asking = this.ask(provider, credentials, key).finally(() => this.running.delete(key));
    this.running.set(key, asking);
    return asking;
  }

  private async ask(provider: Provider, credentials: Credentials, key: string): Promise<HeaderVerdict> {
    try {
      const found = await this.identify(provider, credentials);
      const verdict = verdictOn(provider, found);
      const until = Math.min(this.options.now() + KEPT_FOR, found?.expiresAt ?? Number.POSITIVE_INFINITY);
      this.kept.set(key, { provider, until, verdict });
      return verdict;
    } catch (error) {
      // The IdP could not be asked: no verdict, and nothing is remembered.
      const code = error instanceof AkproxError ? error.code : 'internal';
      this.options.log.warn({ err: error, code, provider: provider.name }, 'credentials could not be verified');
      return code === 'token_invalid' ? { kind: 'refused' } : { kind: 'unavailable' };
    }
  }

  private async identify(provider: Provider, credentials: Credentials): Promise<Identified | null> {
    const client = this.options.oidc(provider);
    if (credentials.scheme === 'bearer') return bearer(client, credentials.token);
    if (credentials.user === TOKEN_USER) {
      const found = await bearer(client, credentials.password);
      if (found !== null) return found;
    }
    const login = await clientCredentials(client, credentials.user, credentials.password);
    // A provider that ignores the user name grants a token to the client itself, whatever the password was.
    if (login === null || login.claims.sub === client.oidc.client_id) return null;
    return { claims: login.claims, jwt: login.jwt, expiresAt: login.expiresAt };
  }
}

interface Identified {
  readonly claims: Claims;
  readonly jwt: string;
  readonly expiresAt: number | null;
}

async function bearer(client: OidcClient, token: string): Promise<Identified | null> {
  const answer = await introspect(client, token);
  return answer.active ? { claims: answer.claims, jwt: token, expiresAt: answer.expiresAt } : null;
}

function verdictOn(provider: Provider, found: Identified | null): HeaderVerdict {
  if (found === null) return { kind: 'refused' };
  if (!isAllowed(provider.config.access, found.claims)) return { kind: 'forbidden' };
  const jwt = provider.config.headers.pass_jwt ? found.jwt : '';
  return { kind: 'allow', block: renderIdentity(provider.identity, found.claims, jwt).bytes };
}

type Credentials =
  | { readonly scheme: 'bearer'; readonly token: string }
  | { readonly scheme: 'basic'; readonly user: string; readonly password: string };

/** RFC 6750 §2.1 and RFC 7617 §2. Null for another scheme, which is none of our business. */
function readCredentials(authorization: string): Credentials | null {
  const [, scheme = '', rest = ''] = /^(bearer|basic) +(\S+) *$/i.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return { scheme: 'bearer', token: rest };
  if (scheme.toLowerCase() !== 'basic') return null;
  const text = Buffer.from(rest, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon === -1 ? null : { scheme: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
}
