// From `store` in the configuration to what ioredis wants: addresses, credentials, TLS, times. Every problem that shows
// without asking a server ends here, with the name of the setting.
import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { ClusterOptions, RedisOptions } from 'ioredis';
import type { StoreConfig } from '../../config/schema.js';
import { AkproxError, explain } from '../../infra/errors.js';
import { type HostPort, hostPortOf } from '../../infra/host-port.js';

export type RedisStoreConfig = Extract<StoreConfig, { kind: 'redis' }>;

/** ioredis' options, none of them `undefined`: ioredis' own type allows that in places and not in others. */
export type ServerOptions = { [K in keyof RedisOptions]?: Exclude<RedisOptions[K], undefined> };

export interface RedisTarget {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** The server, the Sentinels, or some nodes of the Cluster. */
  readonly addresses: readonly HostPort[];
  /** For every connection to a server that holds data. */
  readonly options: ServerOptions;
}

const TLS_FILES = ['ca', 'cert', 'key'] as const;
type TlsFile = (typeof TLS_FILES)[number];

const CONNECT_TIMEOUT_MS = 2_000;
/** Bounds the handshake too: a server may accept a connection and then say nothing. */
const COMMAND_TIMEOUT_MS = 1_000;

export function redisTarget(config: RedisStoreConfig): RedisTarget {
  const url = config.url === undefined ? null : parseUrl(config.url);
  const tls = tlsOptions(config, url?.tls ?? false);
  const db = config.db ?? url?.db;
  const username = config.username ?? url?.username;
  const password = config.password ?? url?.password;
  const options: ServerOptions = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(db !== undefined && { db }),
    ...(tls !== undefined && { tls }),
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    // What is left of a connection that is given up is not waited for.
    disconnectTimeout: 200,
    keepAlive: 10_000,
    disableClientInfo: true,
    connectionName: 'akprox',
  };
  if (url !== null) return { kind: 'single', addresses: [{ host: url.host, port: url.port }], options };
  if (config.cluster !== undefined) return { kind: 'cluster', addresses: config.cluster.map(hostPortOf), options };
  const addresses = (config.sentinels ?? []).map(hostPortOf);
  const sentinel: ServerOptions = {
    sentinels: [...addresses],
    ...(config.name !== undefined && { name: config.name }),
    ...(config.sentinel_password !== undefined && { sentinelPassword: config.sentinel_password }),
    ...(tls !== undefined && { enableTLSForSentinelMode: true, sentinelTLS: tls }),
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
  };
  return { kind: 'sentinel', addresses, options: { ...options, ...sentinel } };
}

/** Certificates of a Cluster are usually for host names, which ioredis would turn into addresses first. */
export function clusterLookup(target: RedisTarget): Pick<ClusterOptions, 'dnsLookup'> {
  return target.options.tls === undefined ? {} : { dnsLookup: (host, done) => done(null, host) };
}

/** Half of a wait may be left out: a whole fleet has lost the same Redis. */
export const RECONNECTS = { first: 50, longest: 2_000, jitter: 1 / 2 };

function parseUrl(text: string): HostPort & { tls: boolean; username?: string; password?: string; db?: number } {
  try {
    const url = new URL(text);
    const path = url.pathname.replace(/^\/|\/$/g, '');
    if (path !== '' && !/^\d+$/.test(path)) throw new Error('its path is not a database number');
    return {
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: url.port === '' ? 6379 : Number(url.port),
      tls: url.protocol === 'rediss:',
      ...(url.username !== '' && { username: decodeURIComponent(url.username) }),
      ...(url.password !== '' && { password: decodeURIComponent(url.password) }),
      ...(path !== '' && { db: Number(path) }),
    };
  } catch (error) {
    // A URL may hold a password: the message of `new URL` would quote it.
    const why = error instanceof TypeError || error instanceof URIError ? 'it cannot be parsed' : explain(error);
    throw new AkproxError('store_unusable', `store.url: ${why}`);
  }
}

function tlsOptions(config: RedisStoreConfig, fromUrl: boolean): ConnectionOptions | undefined {
  const { tls } = config;
  if (tls === undefined || tls === false) return fromUrl ? {} : undefined;
  if (tls === true) return {};
  const options = filesOf(tls);
  options.rejectUnauthorized = !tls.insecure;
  return options;
}

/** Read anew for each connection: whoever renews a certificate need do nothing else. While one cannot be read, its former text counts. */
function filesOf(tls: { readonly [K in TlsFile]?: string | undefined }): ConnectionOptions {
  const options: ConnectionOptions = {};
  for (const name of TLS_FILES) {
    const path = tls[name];
    if (path === undefined) continue;
    let text = readTlsFile(name, path);
    const read = (): Buffer => {
      try {
        text = readTlsFile(name, path);
      } catch {
        // It was there, and is being renewed.
      }
      return text;
    };
    Object.defineProperty(options, name, { enumerable: true, get: read });
  }
  return options;
}

function readTlsFile(name: TlsFile, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new AkproxError('store_unusable', `store.tls.${name} cannot be read (${explain(error)})`);
  }
}
