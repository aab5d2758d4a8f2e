// A protected application at run time: everything that can be worked out before the first request is, once, here.
// `ApplicationTable` answers "whose host is this?"; it never falls back to "the only one there is" (contract §2.2).
import { createHash, createHmac, hkdfSync } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { ProviderConfig } from '../config/schema.js';
import { copyString } from '../infra/copy-string.js';
import { HmacSha256 } from '../infra/hmac.js';
import { VERSION } from '../infra/version.js';
import { type AllowList, compileAllowList } from './allow-list.js';
import { hostname, parseHost } from './host.js';
import { IDENTITY_NAMES, type IdentityFacts, identityHeaderNames, NO_TOKENS, renderIdentity } from './identity.js';
import { CALLBACK_SIGNATURE } from './own-paths.js';
import type { PublicOrigin } from './public-origin.js';
import { registeredUris } from './registered-uris.js';
import type { ReturnTarget } from './return-url.js';

/** How a check ended; the index into `Application.checks`. Also the `result` label of `akprox_checks_total`. */
export const CHECK_RESULTS = [
  'allowed',
  'anonymous',
  'challenged',
  'forbidden',
  'refused',
  'in_band',
  'unavailable',
  'invalid',
] as const;
export type CheckResult = (typeof CHECK_RESULTS)[number];

export interface Application extends PublicOrigin {
  readonly config: ProviderConfig;
  /** Stable over renames at authentik and unique over both sources; what MACs and hashes are bound to. */
  readonly id: string;
  readonly name: string;
  /** What people call it. */
  readonly displayName: string;
  /** `/akprox` or `/outpost.goauthentik.io`: the prefix of the URLs that we make. */
  readonly prefix: string;
  /** `P/start` and `P/sign_out` on the origin. */
  readonly startUrl: string;
  readonly signOutUrl: string;
  /** `P/sessions` on the origin. */
  readonly sessionsUrl: string;
  /** `P/signed_out` on the origin: the one `post_logout_redirect_uri`. */
  readonly signedOutUrl: string;
  readonly redirectUri: string;
  readonly returnTarget: ReturnTarget;
  readonly cookieName: string;
  /** `name=`, what the cookie scan looks for. */
  readonly cookieNeedle: string;
  readonly attemptCookiePrefix: string;
  readonly allowList: AllowList | null;
  readonly identity: IdentityFacts;
  /** The complete identity set with every value empty: what an allow-listed path is answered with. */
  readonly anonymousBlock: ArrayBuffer;
  /**
   * Names everything that a verdict and its headers depend on besides the session, without telling it: the configuration, this
   * version. What was rendered under another one counts no more. 16 bytes.
   */
  readonly rendering: Uint8Array;
  readonly keys: ApplicationKeys;
  /** Identity headers that an allowed check does not carry, comma-separated; see `Dialect.removeHeader`. */
  readonly headersToRemove: string;
  /** Checks by result, plain numbers (a prom-client `inc` costs more than the rest of the check). */
  readonly checks: Float64Array;
}

/** 256 bits as base64url: how long the id in a session cookie is. */
export const TICKET_ID_LENGTH = 43;

/** Derived from `cookie_secret` with HKDF (RFC 5869), one key per purpose, bound to the application. */
interface ApplicationKeys {
  /** Over the id of a session cookie. */
  readonly ticket: HmacSha256;
  readonly attempt: Buffer;
  /** What a sign-out has to remember while the browser is at the identity provider. */
  readonly signOut: Buffer;
  readonly index: Buffer;
  /** What the keys that sign assertions are sealed under. */
  readonly assertion: Buffer;
  /** What the list of somebody's sessions is sealed under: it has to open without their cookies. */
  readonly summary: Buffer;
}

/** `checks` is handed on when an application changes, so that its counters never go backwards. */
export function createApplication(config: ProviderConfig, checks?: Float64Array): Application {
  const { origin } = config.origin;
  const id = applicationId(config);
  const clientHash = createHash('sha256').update(config.oidc.client_id).digest('hex').slice(0, 8);
  const cookieName = `authentik_proxy_${clientHash}`;
  const identity: IdentityFacts = {
    name: config.name,
    families: config.headers.families,
    passJwt: config.headers.pass_jwt,
    assertion: config.headers.assertion,
    jwksUri: config.authentik?.jwks_uri ?? '',
    outpostName: config.authentik?.outpost_name ?? 'akprox',
    applicationSlug: config.authentik?.application_slug ?? config.name,
    version: `goauthentik.io/outpost/${VERSION}`,
    basicAuth: config.basic_auth,
  };
  const asserted = identityHeaderNames(identity.families, identity.passJwt, identity.assertion);
  const key = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', config.cookie_secret, '', `akprox ${purpose} v1\0${id}`, 32));
  const registered = registeredUris(config);
  const callbackQuery = config.authentik ? `?${CALLBACK_SIGNATURE}=true` : '';
  const { allowList } = compileAllowList(config.skip_path_regex, config.mode);
  return {
    config,
    id,
    name: config.name,
    displayName: config.display_name || config.name,
    ...config.origin,
    prefix: config.prefix,
    startUrl: `${origin}${config.prefix}/start`,
    signOutUrl: `${origin}${config.prefix}/sign_out`,
    sessionsUrl: `${origin}${config.prefix}/sessions`,
    signedOutUrl: registered.postLogoutRedirect,
    redirectUri: `${registered.redirect}${callbackQuery}`,
    returnTarget: { ...config.origin, mode: config.mode, cookieDomain: config.cookie_domain },
    cookieName,
    cookieNeedle: `${cookieName}=`,
    attemptCookiePrefix: `akprox_login_${clientHash}_`,
    allowList: config.skip_path_regex.length > 0 ? allowList : null,
    identity,
    anonymousBlock: renderIdentity(identity, null, NO_TOKENS).bytes,
    rendering: createHmac('sha256', key('rendering'))
      .update(JSON.stringify([config, identity]))
      .digest()
      .subarray(0, 16),
    headersToRemove: IDENTITY_NAMES.filter((name) => !asserted.includes(name)).join(','),
    keys: {
      ticket: new HmacSha256(key('ticket'), TICKET_ID_LENGTH),
      attempt: key('attempt'),
      signOut: key('sign-out'),
      index: key('index'),
      assertion: key('assertion'),
      summary: key('summary'),
    },
    checks: checks ?? new Float64Array(CHECK_RESULTS.length),
  };
}

/** Another spelling of it would end every session: it is a part of what keys are derived from. */
function applicationId(config: ProviderConfig): string {
  return config.authentik ? `authentik:${config.authentik.pk}` : `file:${config.name}`;
}

export function countCheck(application: Application, result: CheckResult): void {
  const index = CHECK_RESULTS.indexOf(result);
  application.checks[index] = (application.checks[index] ?? 0) + 1;
}

/** Hosts seen, by the spelling they came in. Bounded: in domain mode a client chooses them. */
const REMEMBERED_HOSTS = 4_096;

export class ApplicationTable {
  readonly all: readonly Application[];
  private readonly byHost = new Map<string, Application>();
  private readonly byDomain = new Map<string, Application>();
  /** Names that have an application of their own, whatever the port. */
  private readonly singleNames = new Set<string>();
  private readonly remembered = new LRUCache<string, Application>({ max: REMEMBERED_HOSTS });

  constructor(applications: readonly Application[]) {
    this.all = applications;
    for (const application of applications) {
      this.byHost.set(application.host, application);
      // A browser leaves the default port out; some proxies put it in.
      if (application.host === application.hostname)
        this.byHost.set(`${application.host}:${application.secure ? 443 : 80}`, application);
      if (application.config.mode === 'forward_domain')
        this.byDomain.set(application.config.cookie_domain, application);
      else this.singleNames.add(application.hostname);
    }
  }

  /** `raw` as the proxy sent it. Undefined: nobody's, or not a host at all. */
  find(raw: string): Application | undefined {
    return this.byHost.get(raw) ?? this.remembered.get(raw) ?? this.findSlowly(raw);
  }

  private findSlowly(raw: string): Application | undefined {
    const host = parseHost(raw);
    if (host === null) return undefined;
    const name = hostname(host);
    // Proxies route without looking at the port. A name with a policy of its own must not fall to the domain's weaker one
    // because a client wrote another port behind it.
    const application = this.byHost.get(host) ?? (this.singleNames.has(name) ? undefined : this.findDomain(name));
    if (application) this.remembered.set(copyString(raw), application);
    return application;
  }

  /** Cuts one label at a time off the left: the longest domain wins and a label is never split. */
  private findDomain(name: string): Application | undefined {
    if (this.byDomain.size === 0) return undefined;
    for (let rest = name; ; ) {
      const application = this.byDomain.get(rest);
      if (application) return application;
      const dot = rest.indexOf('.');
      if (dot === -1) return undefined;
      rest = rest.slice(dot + 1);
    }
  }
}

/** Builds the table for a new configuration; an application whose configuration did not change keeps its identity. */
export function updateApplications(
  previous: ApplicationTable | null,
  configs: readonly ProviderConfig[],
): ApplicationTable {
  const former = new Map(previous?.all.map((application) => [application.id, application]));
  return new ApplicationTable(
    configs.map((config) => {
      const old = former.get(applicationId(config));
      return old && JSON.stringify(old.config) === JSON.stringify(config)
        ? old
        : createApplication(config, old?.checks);
    }),
  );
}
