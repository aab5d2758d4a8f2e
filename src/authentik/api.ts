// authentik core's API as an outpost sees it. Answers are taken as they are, unknown fields and all; what fails is one
// sentence that names the setting to look at, and never the token.
import { AkproxError } from '../infra/errors.js';
import { type OutgoingProxies, proxyFor } from '../infra/outgoing-proxy.js';
import { isRecord } from '../infra/untyped.js';
import { VERSION } from '../infra/version.js';
import { type CoreAnswer, CoreRequestError, coreRequest } from './core-request.js';

export const USER_AGENT = `goauthentik.io/outpost/${VERSION}`;

export interface CoreApiOptions {
  /** AUTHENTIK_HOST: an http(s) URL without a trailing slash; it may have a path. */
  readonly host: string;
  readonly token: string;
  readonly insecure: boolean;
  readonly proxies?: OutgoingProxies | undefined;
  readonly timeoutMs?: number;
}

/** What we read of `outposts/instances/`. */
export interface OutpostInstance {
  readonly pk: string;
  readonly name: string;
  /** Seconds; null when core says nothing usable. */
  readonly refreshInterval: number | null;
  readonly config: Readonly<Record<string, unknown>>;
}

export interface CertificatePair {
  readonly fingerprint: string;
  readonly certificate: string;
  /** '' when core has none, or will not show it. */
  readonly privateKey: string;
}

export interface CoreApi {
  /** The outpost that the token belongs to. */
  instance(): Promise<OutpostInstance>;
  /** Every page; one that fails fails the whole. */
  proxyProviders(): Promise<unknown[]>;
  rootConfig(): Promise<Readonly<Record<string, unknown>>>;
  /** Null while the certificate still has the fingerprint `known`. */
  certificate(uuid: string, known: string | null): Promise<CertificatePair | null>;
  postEvent(event: Readonly<Record<string, unknown>>): Promise<void>;
}

const PAGE_SIZE = 100;
const MOST_PAGES = 1_000;

export function createCoreApi(options: CoreApiOptions): CoreApi {
  const base = `${options.host}/api/v3/`;

  async function call(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await coreRequest(new URL(base + path), {
      method,
      headers: {
        Authorization: `Bearer ${options.token}`,
        'User-Agent': USER_AGENT,
        Accept: 'application/json',
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      insecure: options.insecure,
      proxies: options.proxies,
      ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
    }).catch((error: unknown) => Promise.reject(faultOf(error, options)));
    const refused = refusalOf(answer, path);
    if (refused !== null) throw refused;
    if (method === 'POST') return null;
    try {
      return JSON.parse(answer.body.toString('utf8'));
    } catch {
      throw unusable(path, 'is not JSON: AUTHENTIK_HOST is not the address of an authentik server');
    }
  }

  async function record(path: string): Promise<Record<string, unknown>> {
    const value = await call('GET', path);
    if (!isRecord(value)) throw unusable(path, 'is not a JSON object');
    return value;
  }

  async function page(path: string): Promise<{ results: unknown[]; next: number }> {
    const value = await record(path);
    if (!Array.isArray(value['results'])) throw unusable(path, 'has no `results`');
    const pagination = isRecord(value['pagination']) ? value['pagination'] : {};
    return { results: value['results'], next: Math.trunc(Number(pagination['next'] ?? 0)) || 0 };
  }

  async function pem(uuid: string, view: 'view_certificate' | 'view_private_key'): Promise<string> {
    const { data } = await record(`crypto/certificatekeypairs/${encodeURIComponent(uuid)}/${view}/`);
    return typeof data === 'string' ? data : '';
  }

  return {
    async instance() {
      const { results } = await page('outposts/instances/');
      const found = results.find((result) => isRecord(result) && typeof result['pk'] === 'string');
      if (!isRecord(found)) {
        throw new AkproxError(
          'idp_rejected',
          'authentik knows no outpost for this AUTHENTIK_TOKEN: use the token of an outpost',
        );
      }
      const interval = Number(found['refresh_interval_s'] ?? Number.NaN);
      return {
        pk: String(found['pk']),
        name: typeof found['name'] === 'string' ? found['name'] : '',
        refreshInterval: Number.isFinite(interval) ? interval : null,
        config: isRecord(found['config']) ? found['config'] : {},
      };
    },

    async proxyProviders() {
      const all: unknown[] = [];
      for (let number = 1; ; ) {
        const path = `outposts/proxy/?page=${number}&page_size=${PAGE_SIZE}`;
        const { results, next } = await page(path);
        all.push(...results);
        if (next <= 0) return all;
        if (next <= number || next > MOST_PAGES) throw unusable(path, 'names an impossible next page');
        number = next;
      }
    },

    rootConfig: () => record('root/config/'),

    async certificate(uuid, known) {
      const { fingerprint_sha256: fingerprint } = await record(
        `crypto/certificatekeypairs/${encodeURIComponent(uuid)}/`,
      );
      if (typeof fingerprint === 'string' && fingerprint !== '' && fingerprint === known) return null;
      return {
        fingerprint: typeof fingerprint === 'string' ? fingerprint : '',
        certificate: await pem(uuid, 'view_certificate'),
        privateKey: await pem(uuid, 'view_private_key'),
      };
    },

    async postEvent(event) {
      await call('POST', 'events/events/', event);
    },
  };
}

function refusalOf(answer: CoreAnswer, path: string): AkproxError | null {
  const { status } = answer;
  if (status >= 200 && status < 300) return null;
  if (status >= 300 && status < 400) {
    const where = redirectTarget(answer.headers['location']);
    return new AkproxError(
      'idp_rejected',
      `authentik redirects to ${where} (status ${status}): AUTHENTIK_HOST must be the address that answers itself`,
    );
  }
  if (status === 401) {
    return new AkproxError(
      'idp_rejected',
      'authentik refuses the token (401): AUTHENTIK_TOKEN is wrong or has expired',
    );
  }
  if (status === 403) {
    const text = /^(outposts|root)\//.test(path)
      ? 'AUTHENTIK_TOKEN is not the token of an outpost, or has expired'
      : `the outpost's token may not use ${name(path)}`;
    return new AkproxError('idp_rejected', `authentik refuses access (403): ${text}`);
  }
  if (status === 404 && !path.startsWith('crypto/')) {
    return new AkproxError(
      'idp_rejected',
      'there is no authentik API at that address (404): AUTHENTIK_HOST lacks its path, or is another server',
    );
  }
  const code = status >= 500 || status === 429 ? 'idp_unreachable' : 'idp_rejected';
  return new AkproxError(code, `authentik answered ${status} to ${name(path)}`);
}

/** Without its query, which may hold something that is not for a log. */
function redirectTarget(location: string | string[] | undefined): string {
  return (typeof location === 'string' ? location : 'nowhere').replace(/[?#].*$/s, '').slice(0, 200);
}

function faultOf(error: unknown, { host, proxies }: CoreApiOptions): AkproxError {
  const fault = error instanceof CoreRequestError ? error.fault : 'unreachable';
  const cause = error instanceof CoreRequestError ? error.cause : error;
  const url = new URL(host);
  const { origin } = url;
  const variable = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const way = proxyFor(url, proxies) === '' ? '' : ` by way of the proxy that ${variable} names`;
  switch (fault) {
    case 'tls':
      return new AkproxError(
        'idp_unreachable',
        `TLS with authentik at ${origin} failed: its certificate is not trusted here (NODE_EXTRA_CA_CERTS names a PEM file with its CA, AUTHENTIK_INSECURE=true trusts anybody), or AUTHENTIK_HOST does not speak https`,
        cause,
      );
    case 'timeout':
      return new AkproxError('idp_unreachable', `authentik at ${origin} (AUTHENTIK_HOST) did not answer in time`);
    case 'too_large':
      return new AkproxError('idp_rejected', `authentik at ${origin} sent an answer of more than 16 MiB`);
    case 'unreachable':
      return new AkproxError(
        'idp_unreachable',
        `authentik cannot be reached at ${origin} (AUTHENTIK_HOST)${way}`,
        cause,
      );
  }
}

function unusable(path: string, what: string): AkproxError {
  return new AkproxError('idp_rejected', `authentik's answer to ${name(path)} ${what}`);
}

function name(path: string): string {
  return path.replace(/\?.*$/s, '');
}
