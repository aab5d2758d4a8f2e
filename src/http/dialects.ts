// How each proxy asks, and nothing else is read: a proxy passes the client's copies of the other header families through,
// so "whichever header is there" would let a client choose the host that the policy is looked up for (contract §2.1).

import type { Application, ApplicationTable } from '../application/application.js';
import { type ForwardUrl, parseAbsolute, parseForwardUrl, UNKNOWN_PATH } from '../application/forward-url.js';
import { ENVOY_CHECK } from '../application/own-paths.js';
import type { HeaderSource } from './exchange.js';
import {
  type HeaderName,
  HOST,
  X_FORWARDED_HOST,
  X_FORWARDED_METHOD,
  X_FORWARDED_PROTO,
  X_FORWARDED_URI,
  X_ORIGINAL_METHOD,
  X_ORIGINAL_URI,
  X_ORIGINAL_URL,
} from './header-names.js';
import { hostOf, pathOf, withoutBrackets } from './original-url.js';

export interface Dialect {
  readonly name: 'traefik' | 'caddy' | 'nginx' | 'envoy';
  /** Whether the proxy relays our answer to the browser: redirects, cookies, pages. nginx turns most into a 500. */
  readonly relaysAnswers: boolean;
  /** HOT PATH. The host that the browser asked for, as sent; '' when it is not there. */
  host(req: HeaderSource): string;
  /** HOT PATH. Path and query that the browser asked for, as sent; '' when not known. */
  uri(req: HeaderSource): string;
  /** A response header by which the proxy removes what we do not assert from the client's request; '' for none. */
  readonly removeHeader: string;
  /** The browser's method, upper case; '' when not known. */
  method(req: HeaderSource): string;
  /** The whole forward URL; null when it does not parse. Where the proxy does not tell the scheme it is the application's. */
  forwardUrl(req: HeaderSource, application: Application): ForwardUrl | null;
  /**
   * HOT PATH. False when what the proxy set contradicts what was read. nginx passes a client's X-Original-URL through unless
   * the operator sets it, so it may not name another application than the Host that nginx itself sends.
   */
  agrees(req: HeaderSource, application: Application, applications: ApplicationTable): boolean;
  /** Names of the headers that the host and the URL were read from, for messages. */
  hostHeader(req: HeaderSource): string;
  urlHeader(req: HeaderSource): string;
  /** Headers that must not come twice; at most four. */
  readonly single: readonly HeaderName[];
  /** Those of them that must be there. */
  readonly mustHave: readonly HeaderName[];
  /** Whether the method is among those. */
  readonly tellsMethod: boolean;
  /** By header: the setting of the proxy that sets it. */
  readonly hints: Readonly<Record<string, string>>;
}

const TRAEFIK_HINT =
  'Traefik sets it by itself; if it is missing, the middleware asks the outpost through another proxy: let `forwardAuth.address` point at the outpost directly, and use `trustForwardHeader: true` only behind `forwardedHeaders.trustedIPs`';
const CADDY_HINT =
  "Caddy's forward_auth sets it by itself; if it is missing, something between Caddy and the outpost removes it";

const FORWARDED = [X_FORWARDED_HOST, X_FORWARDED_URI, X_FORWARDED_METHOD, X_FORWARDED_PROTO];

function forwardAuth(name: 'traefik' | 'caddy', hint: string): Dialect {
  return {
    name,
    relaysAnswers: true,
    host: (req) => req.get(X_FORWARDED_HOST),
    uri: (req) => req.get(X_FORWARDED_URI),
    method: (req) => req.get(X_FORWARDED_METHOD).toUpperCase(),
    forwardUrl: (req, application) =>
      parseForwardUrl(
        req.get(X_FORWARDED_PROTO) || schemeOf(application),
        req.get(X_FORWARDED_HOST),
        req.get(X_FORWARDED_URI),
        application.host,
      ),
    removeHeader: '',
    agrees: () => true,
    hostHeader: () => 'X-Forwarded-Host',
    urlHeader: (req) =>
      req.get(X_FORWARDED_PROTO) === '' || /^(https?|wss?)$/i.test(req.get(X_FORWARDED_PROTO))
        ? 'x-forwarded-uri'
        : 'x-forwarded-proto',
    single: FORWARDED,
    mustHave: FORWARDED.slice(0, 3),
    tellsMethod: true,
    hints: Object.fromEntries(FORWARDED.map(({ text }) => [text, hint])),
  };
}

const traefik = forwardAuth('traefik', TRAEFIK_HINT);
const caddy = forwardAuth('caddy', CADDY_HINT);

const nginx: Dialect = {
  name: 'nginx',
  relaysAnswers: false,
  host: (req) => {
    const url = req.get(X_ORIGINAL_URL);
    return url === '' ? req.get(HOST) : hostOf(url);
  },
  uri: (req) => {
    const url = req.get(X_ORIGINAL_URL);
    return url === '' ? originalUri(req) : pathOf(url);
  },
  method: (req) => req.get(X_ORIGINAL_METHOD).toUpperCase(),
  forwardUrl: (req, application) => {
    const url = req.get(X_ORIGINAL_URL);
    if (url !== '') return parseAbsolute(withoutBrackets(url), application.host);
    return parseWithOrWithoutPath(schemeOf(application), req.get(HOST), originalUri(req), application.host);
  },
  agrees: (req, application, applications) => {
    const url = req.get(X_ORIGINAL_URL);
    if (url === '') return true;
    const uri = req.get(X_ORIGINAL_URI);
    if (uri !== '' && uri !== pathOf(url) && originalUri(req) !== '') return false;
    // ingress-nginx sends the host of the auth service, which is nobody's.
    const host = applications.find(req.get(HOST));
    return host === undefined || host === application;
  },
  removeHeader: '',
  hostHeader: (req) => (req.get(X_ORIGINAL_URL) === '' ? 'Host' : 'X-Original-URL'),
  urlHeader: (req) => (req.get(X_ORIGINAL_URL) === '' ? 'x-original-uri' : 'x-original-url'),
  single: [HOST, X_ORIGINAL_URL, X_ORIGINAL_URI, X_ORIGINAL_METHOD],
  mustHave: [HOST],
  tellsMethod: false,
  hints: {
    host: 'set `proxy_set_header Host $host;` in the auth location',
    'x-original-url':
      'set `proxy_set_header X-Original-URL "<$scheme://$host$request_uri>";`: it replaces what the client sent',
    'x-original-uri': 'set `proxy_set_header X-Original-URI $request_uri;`: it replaces what the client sent',
    'x-original-method': 'set `proxy_set_header X-Original-Method $request_method;`: it replaces what the client sent',
  },
};

const envoy: Dialect = {
  name: 'envoy',
  relaysAnswers: true,
  host: (req) => req.get(HOST),
  uri: (req) => {
    const path = behindEnvoyPrefix(req.getUrl());
    const query = req.getQuery();
    return query && path !== '' ? `${path}?${query}` : path;
  },
  method: (req) => req.getMethod().toUpperCase(),
  forwardUrl: (req, application) => {
    const proto = req.get(X_FORWARDED_PROTO) || schemeOf(application);
    return parseWithOrWithoutPath(proto, req.get(HOST), envoy.uri(req), application.host);
  },
  // Envoy leaves a client's copy of a header alone when the answer does not have it.
  removeHeader: 'x-envoy-auth-headers-to-remove',
  agrees: () => true,
  hostHeader: () => 'Host',
  urlHeader: () => 'host',
  single: [HOST, X_FORWARDED_PROTO],
  mustHave: [HOST],
  tellsMethod: false,
  hints: { host: 'Envoy sends it by itself', 'x-forwarded-proto': 'let `headers_to_add` overwrite it' },
};

function schemeOf(application: Application): 'http' | 'https' {
  return application.secure ? 'https' : 'http';
}

/** What follows `P/auth/envoy`; '' when nothing does, and at `P/auth?envoy`: then nobody says what the browser asked for. */
function behindEnvoyPrefix(path: string): string {
  const at = path.indexOf(ENVOY_CHECK);
  return at === -1 ? '' : path.slice(at + ENVOY_CHECK.length);
}

/** `uri`: '' when the proxy does not tell. Never taken for `/`, which may be public where the rest is not. */
function parseWithOrWithoutPath(proto: string, host: string, uri: string, known: string): ForwardUrl | null {
  const parsed = parseForwardUrl(proto, host, uri || '/', known);
  return uri === '' && parsed !== null ? { ...parsed, path: UNKNOWN_PATH } : parsed;
}

/**
 * X-Original-URI; '' when there is none, or when it is the target of this very check: then a proxy between nginx and us wrote it
 * about what it was asked for itself (ingress-nginx with `proxy-add-original-uri-header`), and it says nothing about the browser.
 */
function originalUri(req: HeaderSource): string {
  const uri = req.get(X_ORIGINAL_URI);
  if (uri === '') return '';
  const query = req.getQuery();
  return uri === (query ? `${req.getUrl()}?${query}` : req.getUrl()) ? '' : uri;
}

export const DIALECTS = { traefik, caddy, nginx, envoy } as const;

const ALL: readonly Dialect[] = Object.values(DIALECTS);

/** `P/auth?traefik`: the dialect is a key of the query; without one it is nginx. Other keys are the client's and mean nothing. */
export function dialectOfQuery(query: string | undefined): Dialect {
  if (query === undefined || query === '') return nginx;
  return dialectCalled(query) ?? dialectCalled(firstKey(query)) ?? nginx;
}

/** Four comparisons: cheaper than to hash a name for a table. */
function dialectCalled(name: string): Dialect | undefined {
  for (const dialect of ALL) if (dialect.name === name) return dialect;
  return undefined;
}

/** The first pair decides: the operator wrote it, and whatever a proxy appends of the client's query comes behind it. */
function firstKey(query: string): string {
  return /^[^&=]*/.exec(query)?.[0] ?? '';
}
