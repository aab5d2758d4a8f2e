// oauth2-proxy's options → a configuration of akprox, and what there is to say about the rest. Never lets in more people than before
// without saying so first.
import { randomBytes } from 'node:crypto';
import { nearest } from '../../config/near-miss.js';
import type { GivenOptions } from './given-options.js';
import { identityProviderOf } from './identity-provider.js';
import { accessOf, skippedPaths } from './imported-access.js';
import { LEFT } from './left-options.js';
import { listenersOf, storeOf } from './listeners-and-store.js';
import { type Note, Reader } from './reader.js';

export interface Imported {
  readonly document: Record<string, unknown>;
  readonly notes: readonly Note[];
}

/** oauth2-proxy's, which the option leaves as it is. */
const DEFAULT_LIFETIME = '168h';
/** Of a secret of akprox. */
const SECRET_BYTES = 32;
/** Those that are taken over, in part or under a condition: every name that this knows besides `LEFT`. */
export const TAKEN = [
  ...['acr_values', 'allowed_groups', 'allowed_roles', 'authenticated_emails_file', 'azure_tenant'],
  ...['bitbucket_repository', 'prompt', 'resource'],
  ...['bitbucket_team', 'bitbucket_workspace', 'client_id', 'client_secret', 'client_secret_file', 'cookie_domains'],
  ...['cookie_expire', 'cookie_httponly', 'cookie_refresh', 'cookie_samesite', 'cookie_secret', 'cookie_secret_file'],
  ...['cookie_secure', 'custom_sign_in_logo', 'email_domains', 'extra_jwt_issuers'],
  ...['github_org', 'github_repo', 'github_team', 'github_token', 'github_users', 'gitlab_groups', 'gitlab_projects'],
  ...['google_group', 'google_groups', 'http_address', 'https_address', 'insecure_oidc_allow_unverified_email'],
  ...['keycloak_groups', 'metrics_address', 'oidc_enabled_signing_algs', 'oidc_extra_audiences', 'oidc_groups_claim'],
  ...['oidc_issuer_url', 'pass_authorization_header', 'prefer_email_to_user', 'provider', 'provider_ca_files'],
  ...[
    'provider_display_name',
    'redirect_url',
    'redis_ca_path',
    'redis_cluster_connection_urls',
    'redis_connection_url',
  ],
  ...[
    'redis_insecure_skip_tls_verify',
    'redis_password',
    'redis_sentinel_connection_urls',
    'redis_sentinel_master_name',
  ],
  ...['redis_sentinel_password', 'redis_use_cluster', 'redis_use_sentinel', 'redis_username', 'scope'],
  ...['session_store_type', 'set_authorization_header', 'skip_auth_preflight', 'skip_auth_regex', 'skip_auth_routes'],
  ...['skip_jwt_bearer_tokens', 'tls_cert_file', 'tls_key_file', 'trusted_proxy_ips', 'upstreams', 'whitelist_domains'],
];
const KNOWN = new Set([...TAKEN, ...Object.keys(LEFT)]);

export function isKnown(option: string): boolean {
  return KNOWN.has(option);
}

export interface ImportOptions {
  /** Of the application, or the login host; `redirect_url` says it otherwise. */
  readonly externalHost: string | undefined;
  /** Throws when there is no such file. */
  readonly readFile: (path: string) => string;
}

/** A text is why there can be no configuration at all. */
export function importOAuth2Proxy(options: GivenOptions, { externalHost, readFile }: ImportOptions): Imported | string {
  const read = new Reader(options);
  const redirect = read.text('redirect_url');
  const external = originOf(externalHost ?? redirect);
  if (external === null) {
    return 'redirect_url does not say which host it is about: name it, --external-host https://app.company.tld';
  }
  const identityProvider = identityProviderOf(read);
  if (typeof identityProvider === 'string') return identityProvider;

  const [cookieDomain, ...moreDomains] = read.list('cookie_domains').map((domain) => domain.replace(/^\./, ''));
  // A cookie for the host itself is one application.
  const isDomain = cookieDomain !== undefined && cookieDomain !== external.hostname;
  if (moreDomains.length > 0) {
    read.say('cookie_domains', `only ${cookieDomain} was taken over: make an entry of providers for each other domain`);
  }
  const outside = read
    .list('whitelist_domains')
    .map((domain) => domain.replace(/^\*?\./, ''))
    .filter((domain) => !isDomain || (domain !== cookieDomain && !domain.endsWith(`.${cookieDomain}`)));
  if (outside.length > 0 && !(outside.length === 1 && outside[0] === external.host)) {
    read.say('whitelist_domains', `nobody is sent back to ${outside.join(', ')}: only to what the entry protects`);
  }

  const lifetime = durationOf(read.text('cookie_expire')) ?? DEFAULT_LIFETIME;
  read.text('cookie_refresh');
  if (!(identityProvider.oidc.scopes ?? []).includes('offline_access')) {
    read.say(
      'cookie_refresh',
      'a session ends with its token unless there is a refresh token: add offline_access to oidc.scopes where the identity provider wants that (Keycloak does not)',
    );
  }
  const cookie = cookieOf(read, external.protocol);
  const upstreams = read.list('upstreams').filter((one) => !/^(static|file):/.test(one));
  if (upstreams.length > 0) {
    read.say(
      'upstreams',
      'akprox passes nothing on: the proxy asks it and leads to the application itself (deploy/proxies)',
    );
  }
  const logo = read.text('custom_sign_in_logo');
  if (logo !== '' && logo !== '-' && !logo.startsWith('https://'))
    read.say('custom_sign_in_logo', 'pages.logo takes a file of at most 6144 bytes');
  const takesBearer = read.isOn('skip_jwt_bearer_tokens');
  const audiences = read.list('oidc_extra_audiences');
  if (takesBearer)
    read.say(
      'skip_jwt_bearer_tokens',
      'bearer tokens are verified by introspection at the identity provider, not by their signature alone',
    );
  if (read.list('extra_jwt_issuers').length > 0) read.say('extra_jwt_issuers', 'only tokens of oidc.issuer count');
  const passesJwt = [read.isOn('set_authorization_header'), read.isOn('pass_authorization_header')].some((on) => on);
  if (passesJwt) read.say('set_authorization_header', 'the ID token is sent as X-authentik-jwt, not as Authorization');

  const { oidc, claims } = identityProvider;
  const provider = {
    name: nameOf(external.hostname),
    mode: isDomain ? 'forward_domain' : 'forward_single',
    external_host: external.origin,
    ...(isDomain && { cookie_domain: cookieDomain }),
    cookie_secret: cookieSecretOf(read),
    oidc,
    ...skippedPaths(read, isDomain),
    ...accessOf(read, readFile),
    ...(Object.keys(claims).length > 0 && { claims }),
    session: { lifetime },
    ...cookie,
    ...(passesJwt && { headers: { pass_jwt: true } }),
    ...(takesBearer && audiences.length > 0 && { bearer: { audiences } }),
    ...(!takesBearer && { intercept_header_auth: false }),
    ...(read.isOn('skip_auth_preflight') && { allow_preflight: true }),
  };
  const trusted = read.list('trusted_proxy_ips');
  const document = {
    ...listenersOf(read),
    ...(trusted.length > 0 && { trusted_proxies: trusted.map(asNetwork) }),
    ...(logo.startsWith('https://') && { pages: { logo } }),
    store: storeOf(read),
    providers: [provider],
  };
  saidOfTheRest(read);
  read.say('everybody', 'logs in once: the sessions and cookies of oauth2-proxy cannot be read');
  return { document, notes: read.notes.toSorted((a, b) => Number(b.access) - Number(a.access)) };
}

function saidOfTheRest(read: Reader): void {
  for (const option of read.left()) {
    const advice = LEFT[option];
    if (advice === null) continue;
    const guess = nearest(option, [...KNOWN]);
    const unknown = `no option of oauth2-proxy that is known here${guess === undefined ? '' : `, did you mean ${guess}?`}`;
    read.say(option, advice ?? unknown);
  }
}

function cookieOf(read: Reader, protocol: string): { cookie?: { same_site: 'none' } } {
  if (read.isOff('cookie_secure') && protocol === 'https:') {
    read.say('cookie_secure', 'the cookie is sent over HTTPS only, as external_host is https');
  }
  if (read.isOff('cookie_httponly')) read.say('cookie_httponly', 'no script can read the cookie');
  const sameSite = read.text('cookie_samesite');
  if (sameSite === 'none' && protocol === 'https:') return { cookie: { same_site: 'none' } };
  if (!['', 'lax'].includes(sameSite)) read.say('cookie_samesite', `the cookie is SameSite=Lax, not ${sameSite}`);
  return {};
}

function cookieSecretOf(read: Reader): unknown {
  const secret = read.secret('cookie_secret');
  if (secret !== undefined && typeof secret !== 'string') {
    read.say('cookie_secret', 'it needs 32 bytes or more; akprox secret prints such a one');
    return secret;
  }
  if (secret !== undefined && Buffer.byteLength(secret) >= SECRET_BYTES) return secret;
  read.say('cookie_secret', 'it was shorter than 32 bytes: there is a fresh one in its place');
  return randomBytes(SECRET_BYTES).toString('base64url');
}

function originOf(url: string): URL | null {
  return URL.canParse(url) && /^https?:/.test(url) ? new URL(url) : null;
}

/** whoami.company.tld → whoami */
function nameOf(hostname: string): string {
  return /^[\d.]+$|:/.test(hostname) ? 'application' : (hostname.split('.')[0] ?? 'application');
}

/** Go's `168h0m0s` → `168h`; null for none. Parts below a second count for nothing. */
function durationOf(text: string): string | null {
  const parts = [...text.matchAll(/(\d+)(h|m|s)/g)];
  const seconds = parts.reduce(
    (sum, [, n, unit]) => sum + Number(n) * { h: 3_600, m: 60, s: 1 }[unit as 'h' | 'm' | 's'],
    0,
  );
  if (seconds === 0) return null;
  if (seconds % 3_600 === 0) return `${seconds / 3_600}h`;
  return seconds % 60 === 0 ? `${seconds / 60}m` : `${seconds}s`;
}

function asNetwork(address: string): string {
  if (address.includes('/')) return address;
  return `${address}/${address.includes(':') ? 128 : 32}`;
}
