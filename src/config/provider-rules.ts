// The rules for providers: each alone, then among each other. Reads raw values like `rules.ts`, and never quotes one.
import { expressionProblem } from '../application/allow-list.js';
import { readClientKey } from '../application/client-key.js';
import { isUnderDomain } from '../application/host.js';
import { type PublicOrigin, parseCookieDomain, parseOrigin } from '../application/public-origin.js';
import { isSymmetric } from '../application/signing-algorithms.js';
import { isRecord } from '../infra/untyped.js';
import { type Problem, valueAt } from './problems.js';

/** The keys that sign and seal cookies are derived from it: 256 bits, as much as they are worth. */
const COOKIE_SECRET_BYTES = 32;

const DISCOVERY = '/.well-known/openid-configuration';

type Raw = Record<string, unknown>;

export function providerProblems(providers: unknown): Problem[] {
  if (!Array.isArray(providers)) return [];
  const origins = providers.map((provider: unknown) => {
    const external = valueAt(provider, ['external_host']);
    return typeof external === 'string' ? parseOrigin(external) : undefined;
  });
  const alone = providers.flatMap((provider: unknown, index) => {
    if (!isRecord(provider)) return [];
    const problems = [
      ...hostProblems(provider, origins[index]),
      ...clientProblems(provider),
      ...patternProblems(provider),
    ];
    return problems.map(({ path, message }) => ({ path: `providers[${index}].${path}`, message }));
  });
  return [
    ...alone,
    ...duplicates(
      'name',
      providers.map((provider) => valueAt(provider, ['name'])),
    ),
    // `http://a` and `https://a` are the same host to a check, which is told no scheme that it could trust.
    ...duplicates(
      'external_host',
      origins.map((origin) => origin?.host),
    ),
  ];
}

function hostProblems(provider: Raw, origin: PublicOrigin | undefined): Problem[] {
  const problems: Problem[] = [];
  const { mode, external_host, cookie_domain = '', cookie_secret } = provider;
  if (typeof external_host === 'string' && !origin) {
    problems.push({
      path: 'external_host',
      message: 'expected an origin: http:// or https://, a host, nothing behind it',
    });
  }
  if (typeof cookie_domain === 'string') {
    const message = cookieDomainProblem(mode, cookie_domain, origin?.hostname);
    if (message !== undefined) problems.push({ path: 'cookie_domain', message });
  }
  if (typeof cookie_secret === 'string' && Buffer.byteLength(cookie_secret) < COOKIE_SECRET_BYTES) {
    problems.push({ path: 'cookie_secret', message: 'is shorter than 32 bytes, `akprox secret` prints one' });
  }
  if (origin && !origin.secure) {
    // Browsers refuse both from a page that is not secure, and so would every login fail.
    const cookie = provider['cookie'];
    const message = 'needs an https external_host: browsers take no such cookie from another';
    if (valueAt(cookie, ['same_site']) === 'none') problems.push({ path: 'cookie.same_site', message });
    if (valueAt(cookie, ['partitioned']) === true) problems.push({ path: 'cookie.partitioned', message });
  }
  return problems;
}

function cookieDomainProblem(mode: unknown, text: string, hostname: string | undefined): string | undefined {
  if (mode === 'forward_single') return text === '' ? undefined : 'must be empty in forward_single';
  if (mode !== 'forward_domain') return undefined;
  if (text === '') return 'is required in forward_domain';
  const domain = parseCookieDomain(text);
  if (domain === undefined) return 'expected a domain name, without scheme, port or path';
  // Browsers drop a cookie for a whole top-level domain, so every login would loop.
  if (!domain.includes('.') && domain !== 'localhost')
    return 'has a single label, browsers keep no cookie for it: write a domain below it, such as company.tld';
  if (hostname !== undefined && !isUnderDomain(hostname, domain))
    return 'external_host is neither this domain nor below it: write the domain that the hosts of login and applications are below';
  return undefined;
}

function clientProblems(provider: Raw): Problem[] {
  const problems: Problem[] = [];
  const { oidc } = provider;
  if (!isRecord(oidc)) return [];
  const { issuer, client_secret, id_token_signed_response_alg: algorithm, token_endpoint_auth_method: method } = oidc;
  if (typeof issuer === 'string' && !isIssuer(issuer)) {
    problems.push({
      path: 'oidc.issuer',
      message: 'expected an http:// or https:// URL without user, query or fragment',
    });
  } else if (typeof issuer === 'string' && issuer.endsWith(DISCOVERY)) {
    problems.push({ path: 'oidc.issuer', message: `is where the identity provider tells it: leave ${DISCOVERY} out` });
  }
  if (typeof oidc['internal_url'] === 'string' && parseOrigin(oidc['internal_url']) === undefined) {
    problems.push({
      path: 'oidc.internal_url',
      message: 'expected an origin: http:// or https://, a host, nothing behind it',
    });
  }
  if (client_secret === undefined) {
    const needs =
      typeof algorithm === 'string' && isSymmetric(algorithm)
        ? `id_token_signed_response_alg ${algorithm}`
        : typeof method === 'string' && method.startsWith('client_secret_') && `token_endpoint_auth_method ${method}`;
    if (needs) problems.push({ path: 'oidc.client_secret', message: `is required with ${needs}` });
  }
  return [...problems, ...privateKeyProblems(oidc), ...parameterProblems(oidc['authorization_params'])];
}

/** A key that nobody uses is as much of a mistake as a method without one. */
function privateKeyProblems({ private_key: key, token_endpoint_auth_method: method }: Raw): Problem[] {
  if (key === undefined) {
    const message = 'is required with token_endpoint_auth_method private_key_jwt';
    return method === 'private_key_jwt' ? [{ path: 'oidc.private_key', message }] : [];
  }
  const read = typeof key === 'string' ? readClientKey(key) : null;
  const problems = typeof read === 'string' ? [{ path: 'oidc.private_key', message: read }] : [];
  if (method !== 'private_key_jwt')
    problems.push({
      path: 'oidc.token_endpoint_auth_method',
      message: 'must be private_key_jwt, as there is an oidc.private_key',
    });
  return problems;
}

/** What belongs to a login and no setting may change; `scope` has a setting of its own. */
const OWN_PARAMETERS = new Set([
  ...['client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'redirect_uri', 'response_type'],
  ...['response_mode', 'scope', 'state', 'nonce', 'code_challenge', 'code_challenge_method', 'request', 'request_uri'],
]);

function parameterProblems(params: unknown): Problem[] {
  if (!isRecord(params)) return [];
  return Object.entries(params).flatMap(([name, value]) => {
    const path = `oidc.authorization_params.${name}`;
    if (OWN_PARAMETERS.has(name))
      return [{ path, message: name === 'scope' ? 'goes into oidc.scopes' : 'is what akprox sets itself' }];
    if (name === 'max_age' && !/^\d{1,9}$/.test(String(value)))
      return [{ path, message: 'expected a number of seconds' }];
    return value === '' ? [{ path, message: 'must not be empty' }] : [];
  });
}

/** OpenID Connect Discovery 1.0, section 3: scheme, host, optionally port and path; no query, no fragment. */
function isIssuer(text: string): boolean {
  return /^https?:\/\/[^\s@?#\\]+$/i.test(text) && URL.canParse(text);
}

function patternProblems(provider: Raw): Problem[] {
  const patterns: unknown = provider['skip_path_regex'];
  if (!Array.isArray(patterns)) return [];
  return patterns.flatMap((pattern: unknown, index) => {
    if (typeof pattern !== 'string') return [];
    const message = expressionProblem(pattern);
    return message === null ? [] : [{ path: `skip_path_regex[${index}]`, message }];
  });
}

/** `identities`: of each provider, what no other may have. */
function duplicates(key: string, identities: readonly unknown[]): Problem[] {
  const first = new Map<string, number>();
  return identities.flatMap((identity, index) => {
    if (typeof identity !== 'string') return [];
    const earlier = first.get(identity);
    if (earlier !== undefined)
      return [
        { path: `providers[${index}].${key}`, message: `is taken by providers[${earlier}]: give it one of its own` },
      ];
    first.set(identity, index);
    return [];
  });
}
