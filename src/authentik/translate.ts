// What authentik says about its proxy providers → the configuration that the rest of the daemon understands. Pure, and as
// lenient as the many versions of core are different; a provider that cannot work is left out and named, the others go on.
import { anchorsTheEnd, END_UNSEEN, expressionProblem } from '../application/allow-list.js';
import { isUnderDomain } from '../application/host.js';
import { DEFAULT_MAX_BYTES } from '../application/identity.js';
import { AUTHENTIK_PREFIX } from '../application/own-paths.js';
import { parseCookieDomain, parseOrigin } from '../application/public-origin.js';
import { isSigningAlgorithm, isSymmetric } from '../application/signing-algorithms.js';
import type { AuthentikEnv } from '../config/environment.js';
import type { AuthentikProviderFacts, ProviderConfig } from '../config/schema.js';
import { isRecord, textOf, textsOf } from '../infra/untyped.js';
import type { OutpostInstance } from './api.js';

export interface TranslateInput {
  /** `results` of `outposts/proxy/`, as they came. */
  readonly results: readonly unknown[];
  readonly instance: OutpostInstance;
  readonly env: Pick<AuthentikEnv, 'hostBrowser' | 'insecure'>;
  /** Files of the certificates that could be read, by their uuid at authentik. */
  readonly certificates: ReadonlyMap<string, { readonly cert: string; readonly key: string }>;
}

export interface Translation {
  readonly providers: ProviderConfig[];
  readonly skipped: { readonly name: string; readonly reason: string }[];
  readonly warnings: string[];
}

type Raw = Record<string, unknown>;

const COOKIE_SECRET_BYTES = 32;
const DEFAULT_SCOPES = ['openid', 'profile', 'email', 'ak_proxy'];
/** The token's `exp` ends a session; this is only the bound for one that can be renewed with a refresh token. */
const LIFETIME = 30 * 86_400_000;

export function translateProviders(input: TranslateInput): Translation {
  const providers: ProviderConfig[] = [];
  const skipped: Translation['skipped'] = [];
  const warnings = instanceWarnings(input);
  const takenBy = new Map<string, string>();
  const pks = new Set<number>();
  for (const result of input.results) {
    const raw = isRecord(result) ? result : {};
    const name = nameOf(raw);
    const made = translateOne(raw, name, input);
    if ('reason' in made) {
      skipped.push({ name, reason: made.reason });
      continue;
    }
    const { provider } = made;
    const { host } = provider.origin;
    const earlier = takenBy.get(host);
    if (earlier !== undefined) {
      skipped.push({ name, reason: `its external host ${host} is that of ${quote(earlier)} already` });
      continue;
    }
    if (pks.has(provider.authentik.pk)) {
      skipped.push({ name, reason: 'another provider has the same pk' });
      continue;
    }
    takenBy.set(host, name);
    pks.add(provider.authentik.pk);
    warnings.push(...made.warnings);
    providers.push(provider);
  }
  return { providers, skipped, warnings };
}

/** The uuids of the certificates that the providers name, each once. */
export function certificatesOf(results: readonly unknown[]): string[] {
  const uuids = results.map((raw) => (isRecord(raw) && raw['mode'] !== 'proxy' ? textOf(raw['certificate']) : ''));
  return [...new Set(uuids.filter((uuid) => uuid !== ''))];
}

type Made =
  | {
      readonly provider: ProviderConfig & { readonly authentik: AuthentikProviderFacts };
      readonly warnings: readonly string[];
    }
  | { readonly reason: string };

function translateOne(raw: Raw, name: string, input: TranslateInput): Made {
  const { instance, env } = input;
  const { mode } = raw;
  if (mode === 'proxy' || mode === null || mode === undefined) {
    return { reason: 'its mode is `proxy`, and akprox only does forward auth: choose "Forward auth" at authentik' };
  }
  if (mode !== 'forward_single' && mode !== 'forward_domain')
    return { reason: 'its mode is not one that akprox knows' };
  const pk = Number(raw['pk'] ?? Number.NaN);
  if (!Number.isSafeInteger(pk)) return { reason: 'it has no usable pk' };

  const origin = parseOrigin(textOf(raw['external_host']).trim());
  if (!origin) return { reason: originProblem(textOf(raw['external_host'])) };
  let cookieDomain = '';
  if (mode === 'forward_domain') {
    const parsed = parseCookieDomain(textOf(raw['cookie_domain']).trim().replace(/^\.+/, ''));
    if (!parsed) return { reason: 'its cookie domain is missing or not a domain name, which `forward_domain` needs' };
    if (!isUnderDomain(origin.hostname, parsed)) {
      return { reason: `its external host is neither its cookie domain ${parsed} nor below it` };
    }
    cookieDomain = parsed;
  }

  const cookieSecret = textOf(raw['cookie_secret']);
  if (Buffer.byteLength(cookieSecret) < COOKIE_SECRET_BYTES) {
    return { reason: `its cookie secret is ${cookieSecret === '' ? 'empty' : 'shorter than 32 bytes'}` };
  }
  const clientId = textOf(raw['client_id']);
  const clientSecret = textOf(raw['client_secret']);
  if (clientId === '') return { reason: 'it has no client id' };

  const endpoints = endpointsOf(raw['oidc_configuration'], instance, env);
  if ('reason' in endpoints) return endpoints;
  const algorithms = endpoints.metadata.id_token_signing_alg_values_supported;
  if (algorithms && !algorithms.some(isSigningAlgorithm)) {
    return {
      reason: `its tokens are signed with ${algorithms.join(', ')}, which akprox cannot verify: choose an RSA, EC or Ed25519 signing key`,
    };
  }
  if (algorithms?.every(isSymmetric) && clientSecret === '') {
    return { reason: 'it has no client secret, which its tokens are signed with' };
  }

  const patterns = compilable(textOf(raw['skip_path_regex']));
  const warnings = patterns.bad.map((why) => `${quote(name)}: an unauthenticated path is ignored, ${why}`);
  if (patterns.good.some(anchorsTheEnd)) warnings.push(`${quote(name)}: an unauthenticated path ${END_UNSEEN}`);
  const certificate = textOf(raw['certificate']);
  const tls = certificate === '' ? undefined : input.certificates.get(certificate);
  if (certificate !== '' && !tls) {
    warnings.push(`${quote(name)}: its certificate cannot be used, HTTPS answers without it`);
  }
  return {
    warnings,
    provider: {
      name,
      display_name: shownNameOf(raw['assigned_application_name']),
      mode,
      origin,
      external_host: origin.origin,
      cookie_domain: cookieDomain,
      cookie_secret: cookieSecret,
      prefix: AUTHENTIK_PREFIX,
      oidc: {
        issuer: endpoints.metadata.issuer,
        client_id: clientId,
        ...(clientSecret !== '' && { client_secret: clientSecret }),
        scopes: scopesOf(raw['scopes_to_request']),
      },
      skip_path_regex: patterns.good,
      access: { groups: [], emails: [], email_domains: [] },
      claims: { groups: 'groups', keep: false },
      session: { lifetime: lifetimeOf(raw), refresh: true, grace: 0 },
      headers: { families: ['akprox', 'authentik'], pass_jwt: true, assertion: false, max_bytes: DEFAULT_MAX_BYTES },
      basic_auth: {
        enabled: raw['basic_auth_enabled'] === true,
        user_attribute: textOf(raw['basic_auth_user_attribute']),
        password_attribute: textOf(raw['basic_auth_password_attribute']),
      },
      bearer: { audiences: [] },
      cookie: { same_site: 'lax', partitioned: false },
      // On at authentik unless switched off; cores before 2023.1 do not say.
      intercept_header_auth: raw['intercept_header_auth'] !== false,
      allow_preflight: false,
      ...(tls && { tls: { cert: tls.cert, key: tls.key } }),
      authentik: {
        pk,
        application_slug: textOf(raw['assigned_application_slug']),
        outpost_name: instance.name,
        jwks_uri: endpoints.metadata.jwks_uri,
        metadata: endpoints.metadata,
        back_channel: endpoints.backChannel,
        insecure: env.insecure,
      },
    },
  };
}

interface Endpoints {
  readonly metadata: AuthentikProviderFacts['metadata'];
  readonly backChannel: AuthentikProviderFacts['back_channel'];
}

/** contract §6: what browsers and tokens see moves to AUTHENTIK_HOST_BROWSER, what we call ourselves stays. */
function endpointsOf(
  given: unknown,
  instance: OutpostInstance,
  env: TranslateInput['env'],
): Endpoints | { readonly reason: string } {
  const configuration = isRecord(given) ? given : {};
  const browser = httpUrl(env.hostBrowser ?? '');
  const endpoint = (key: string): string => (httpUrl(textOf(configuration[key])) ? textOf(configuration[key]) : '');
  const moved = (key: string): string => {
    const url = endpoint(key);
    return url !== '' && browser ? onHostOf(browser, url) : url;
  };
  const issuer = moved('issuer');
  const token = endpoint('token_endpoint');
  const jwks = endpoint('jwks_uri');
  const authorization = moved('authorization_endpoint');
  for (const [key, value] of Object.entries({
    issuer,
    authorization_endpoint: authorization,
    token_endpoint: token,
    jwks_uri: jwks,
  })) {
    if (value === '') return { reason: `authentik names no usable ${key} for it` };
  }
  const endSession = moved('end_session_endpoint');
  const introspection = endpoint('introspection_endpoint');
  const userinfo = endpoint('userinfo_endpoint');
  const algorithms = textsOf(configuration['id_token_signing_alg_values_supported']);

  // core writes into `iss` the host that the token endpoint was called by.
  const called = browser ?? httpUrl(textOf(instance.config['authentik_host']));
  const overridden = called !== null && called.origin !== new URL(token).origin;
  return {
    metadata: {
      issuer,
      authorization_endpoint: authorization,
      token_endpoint: token,
      jwks_uri: jwks,
      ...(userinfo !== '' && { userinfo_endpoint: userinfo }),
      ...(endSession !== '' && { end_session_endpoint: endSession }),
      ...(introspection !== '' && { introspection_endpoint: introspection }),
      ...(algorithms.length > 0 && { id_token_signing_alg_values_supported: algorithms }),
    },
    backChannel: overridden ? { host: called.host, proto: called.protocol === 'https:' ? 'https' : 'http' } : null,
  };
}

/** Scheme and host of `base`, the rest exactly as it was written: an issuer is compared letter by letter. */
function onHostOf(base: URL, url: string): string {
  return url.replace(/^https?:\/\/[^/?#]+/i, base.origin);
}

function httpUrl(value: string): URL | null {
  return /^https?:\/\/[^\s@\\]+$/i.test(value) && URL.canParse(value) ? new URL(value) : null;
}

function instanceWarnings({ instance, env, results }: TranslateInput): string[] {
  const written = instance.config['authentik_host'];
  const configured = httpUrl(textOf(written));
  if (env.hostBrowser !== null || results.length === 0) return [];
  if (!configured) {
    return ["the outpost's configuration at authentik has no usable authentik_host; AUTHENTIK_HOST counts alone"];
  }
  const issuers = results.map((raw) =>
    isRecord(raw) && isRecord(raw['oidc_configuration']) ? textOf(raw['oidc_configuration']['issuer']) : '',
  );
  const differs = issuers.some((issuer) => httpUrl(issuer) && new URL(issuer).origin !== configured.origin);
  return differs
    ? [
        `the outpost's authentik_host at authentik is ${configured.origin}, another than AUTHENTIK_HOST: if logins fail, set AUTHENTIK_HOST_BROWSER to the address that browsers use`,
      ]
    : [];
}

/** One expression a line. In Go a blank one matched every path; here it is nothing. */
function compilable(lines: string): { good: string[]; bad: string[] } {
  const good: string[] = [];
  const bad: string[] = [];
  lines.split(/\r?\n/).forEach((line, index) => {
    const pattern = line.trim();
    if (pattern === '') return;
    const problem = expressionProblem(pattern);
    if (problem === null) good.push(pattern);
    else bad.push(`line ${index + 1} ${problem}`);
  });
  return { good, bad };
}

/** `openid` brings the ID token that a session is made of. Sorted, because core sends a set. */
function scopesOf(value: unknown): string[] {
  const asked = textsOf(value).filter((scope) => /^[\x21\x23-\x5b\x5d-\x7e]+$/.test(scope));
  const scopes = asked.length > 0 ? asked : DEFAULT_SCOPES;
  return [...new Set(['openid', ...scopes.toSorted()])];
}

/** `token_validity` in cores of 2021. */
function lifetimeOf(raw: Raw): number {
  const seconds = Number(raw['access_token_validity'] ?? raw['token_validity'] ?? 0);
  return Number.isFinite(seconds) ? Math.max(LIFETIME, Math.round(seconds * 1_000)) : LIFETIME;
}

function originProblem(external: string): string {
  if (external === '') return 'it has no external host';
  const url = httpUrl(external.trim());
  if (url && url.pathname !== '/')
    return `its external host has a path (${url.pathname.slice(0, 100)}), which akprox cannot protect: give the origin only`;
  return 'its external host is not an http:// or https:// origin';
}

/** What core calls the application; cores that do not tell send nothing. */
function shownNameOf(value: unknown): string {
  return textOf(value)
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 100);
}

/** Fit for a log line and a header. */
function nameOf(raw: Raw): string {
  const name = textOf(raw['name'])
    .replace(/\p{Cc}+/gu, ' ')
    .trim();
  return name === '' ? `provider ${textOf(raw['pk']) || String(raw['pk'] ?? 'without pk')}` : name.slice(0, 255);
}

function quote(name: string): string {
  return JSON.stringify(name);
}
