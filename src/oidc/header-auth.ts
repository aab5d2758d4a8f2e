// Header authentication (contract §5): a bearer token or an app password in the Authorization header, asked about at the
// identity provider. No session and no cookie is made. A verdict, good or bad, is kept for at most a minute.
import { isUtf8 } from 'node:buffer';
import { createHmac, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Application } from '../application/application.js';
import type { Claims } from '../application/claims.js';
import { type Verdict, verdictOn } from '../application/verdict.js';
import { boundedMap } from '../infra/bounded-map.js';
import { AkproxError } from '../infra/errors.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { OidcClient } from './client.js';
import type { TokenRefusal } from './introspection.js';

/** Why credentials were refused: the label `reason` of `akprox_credentials_refused_total`. */
export type CredentialsRefusal = TokenRefusal | 'malformed' | 'wrong_password' | 'client_itself' | 'token_invalid';

export type HeaderVerdict =
  | Verdict
  | { readonly kind: 'refused'; readonly reason: CredentialsRefusal }
  | { readonly kind: 'unavailable' | 'ignored' };

export interface HeaderAuthOptions {
  readonly oidc: (application: Application) => OidcClient;
  /** For `X-Akprox-Assertion`; '' for an application that wants none. Without it none is signed. */
  readonly sign?: (application: Application, claims: Claims) => Promise<string>;
  readonly now: () => number;
  /** Milliseconds, for how long a verdict is kept. */
  readonly monotonic: () => number;
  readonly log: GatedLog;
  readonly countRefused?: (application: Application, reason: CredentialsRefusal) => void;
}

interface Kept {
  /** A changed provider is another question. */
  readonly application: Application;
  /** Monotonic milliseconds. */
  readonly until: number;
  readonly verdict: HeaderVerdict;
}

const KEPT_FOR = 60_000;
/** Good and bad verdicts apart, so that made-up credentials push out nobody's good ones. */
const MOST_ALLOWED = 10_000;
const MOST_ALLOWED_BYTES = 32 * 1_048_576;
const MOST_REFUSED = 10_000;
/** What a verdict takes besides its block. */
const OVERHEAD = 400;
/**
 * Credentials of one application under verification at once; more get 503. A client can make up credentials faster than the
 * IdP refuses them, and an IdP that hangs at one application must not refuse everybody at another.
 */
const MOST_RUNNING = 128;
/** Longer credentials are refused unasked. */
const LONGEST = 16_384;
/** authentik's user name for "the password is a bearer token". */
const TOKEN_USER = 'goauthentik.io/token';

export class HeaderAuth {
  private readonly options: HeaderAuthOptions;
  private readonly allowed = new LRUCache<string, Kept>({
    max: MOST_ALLOWED,
    maxSize: MOST_ALLOWED_BYTES,
    sizeCalculation: ({ verdict }) => OVERHEAD + (verdict.kind === 'allow' ? verdict.block.byteLength : 0),
  });
  private readonly refused = boundedMap<string, Kept>(MOST_REFUSED);
  /** An application that has changed begins anew: what runs was asked of the former one. */
  private readonly running = new WeakMap<Application, Map<string, Promise<HeaderVerdict>>>();
  /** Keys are keyed hashes, so that no credential lies in memory longer than its request. */
  private readonly secret = randomBytes(32);

  constructor(options: HeaderAuthOptions) {
    this.options = options;
  }

  /** Never rejects. A refusal is counted, and its reason is in the log at debug level. */
  async verify(application: Application, authorization: string): Promise<HeaderVerdict> {
    const verdict = await this.find(application, authorization);
    if (verdict.kind === 'refused') {
      const { reason } = verdict;
      this.options.countRefused?.(application, reason);
      this.options.log.debug({ provider: application.name, reason }, 'Authorization header refused', reason);
    }
    return verdict;
  }

  private async find(application: Application, authorization: string): Promise<HeaderVerdict> {
    if (authorization.length > LONGEST) return schemeOf(authorization) === null ? IGNORED : refusedFor('too_long');
    const credentials = readCredentials(authorization);
    if (credentials === null) return IGNORED;
    if (credentials === 'malformed') return refusedFor('malformed');
    const key = createHmac('sha256', this.secret).update(`${application.id}\0${authorization}`).digest('base64url');
    const kept = this.allowed.get(key) ?? this.refused.get(key);
    if (kept !== undefined && kept.application === application && this.options.monotonic() < kept.until)
      return kept.verdict;
    const running = this.runningAt(application);
    const same = running.get(key);
    if (same !== undefined) return same;
    if (running.size >= MOST_RUNNING) return { kind: 'unavailable' };
    const asking = this.ask(application, credentials, key).finally(() => running.delete(key));
    running.set(key, asking);
    return asking;
  }

  private runningAt(application: Application): Map<string, Promise<HeaderVerdict>> {
    const running = this.running.get(application) ?? new Map<string, Promise<HeaderVerdict>>();
    this.running.set(application, running);
    return running;
  }

  private keep(key: string, kept: Kept): void {
    const [into, outOf] = kept.verdict.kind === 'allow' ? [this.allowed, this.refused] : [this.refused, this.allowed];
    outOf.delete(key);
    into.set(key, kept);
  }

  private async ask(application: Application, credentials: Credentials, key: string): Promise<HeaderVerdict> {
    try {
      const found = await this.identify(application, credentials);
      const verdict = await this.judge(application, found);
      const expiresAt = typeof found === 'string' ? null : found.expiresAt;
      const lasts = (expiresAt ?? Number.POSITIVE_INFINITY) - this.options.now();
      this.keep(key, { application, until: this.options.monotonic() + Math.min(KEPT_FOR, lasts), verdict });
      return verdict;
    } catch (error) {
      // The IdP could not be asked: no verdict, and nothing is remembered.
      const code = error instanceof AkproxError ? error.code : 'internal';
      this.options.log.warn(
        { err: error, code, provider: application.name },
        'Authorization header could not be verified at the identity provider',
      );
      return code === 'token_invalid' ? refusedFor(code) : { kind: 'unavailable' };
    }
  }

  private async judge(application: Application, found: Identified | CredentialsRefusal): Promise<HeaderVerdict> {
    if (typeof found === 'string') return refusedFor(found);
    const jwt = application.config.headers.pass_jwt ? found.jwt : '';
    const assertion = (await this.options.sign?.(application, found.claims)) ?? '';
    return verdictOn(application, found.claims, { jwt, assertion }, this.options.log);
  }

  private async identify(application: Application, credentials: Credentials): Promise<Identified | CredentialsRefusal> {
    const client = this.options.oidc(application);
    const { audiences } = application.config.bearer;
    if (credentials.scheme === 'bearer') return bearer(client, credentials.token, audiences);
    if (credentials.user === TOKEN_USER) {
      const found = await bearer(client, credentials.password, audiences);
      if (typeof found !== 'string') return found;
    }
    const { clientCredentials } = await import('./introspection.js');
    const login = await clientCredentials(client, credentials.user, credentials.password);
    if (login === null) return 'wrong_password';
    // An identity provider that ignores the user name grants a token to the client itself, whatever the password was.
    if (login.claims.sub === client.oidc.client_id) return 'client_itself';
    return { claims: login.claims, jwt: login.jwt, expiresAt: login.expiresAt };
  }
}

interface Identified {
  readonly claims: Claims;
  readonly jwt: string;
  readonly expiresAt: number | null;
}

async function bearer(
  client: OidcClient,
  token: string,
  audiences: readonly string[],
): Promise<Identified | TokenRefusal> {
  const { introspect } = await import('./introspection.js');
  const answer = await introspect(client, token, audiences);
  return answer.active ? { claims: answer.claims, jwt: token, expiresAt: answer.expiresAt } : answer.reason;
}

type Credentials =
  | { readonly scheme: 'bearer'; readonly token: string }
  | { readonly scheme: 'basic'; readonly user: string; readonly password: string };

const IGNORED: HeaderVerdict = { kind: 'ignored' };

function refusedFor(reason: CredentialsRefusal): HeaderVerdict {
  return { kind: 'refused', reason };
}

/** Null for another scheme, which is none of our business. */
function schemeOf(authorization: string): Credentials['scheme'] | null {
  const scheme = /^(bearer|basic)(?: |$)/i.exec(authorization)?.[1]?.toLowerCase();
  return scheme === 'bearer' || scheme === 'basic' ? scheme : null;
}

/** RFC 6750 §2.1 and RFC 7617 §2. `malformed`: of a scheme of ours, and nothing that an identity provider could be asked about. */
function readCredentials(authorization: string): Credentials | 'malformed' | null {
  const scheme = schemeOf(authorization);
  if (scheme === null) return null;
  const text = /^ *(\S+) *$/.exec(authorization.slice(scheme.length))?.[1];
  if (text === undefined) return 'malformed';
  if (scheme === 'bearer') return { scheme, token: text };
  const decoded = decodeBase64(text);
  const colon = decoded?.indexOf(':') ?? -1;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: RFC 7617 §2 forbids them in both parts
  if (decoded === null || colon === -1 || /[\x00-\x1f\x7f]/.test(decoded)) return 'malformed';
  return { scheme, user: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

/** Null unless it is base64 (RFC 4648 §4, padding left out at most) of UTF-8. Node's own decoder leaves out what it cannot read. */
function decodeBase64(text: string): string | null {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== text.replace(/={1,2}$/, '')) return null;
  return isUtf8(bytes) ? bytes.toString('utf8') : null;
}
