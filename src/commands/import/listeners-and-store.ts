// Where it listens, and where sessions live.
import type { Reader } from './reader.js';

export function listenersOf(read: Reader): { listen?: Record<string, unknown> } {
  const http = read.text('http_address');
  const https = read.text('https_address');
  const metrics = read.text('metrics_address');
  const [cert, key] = [read.text('tls_cert_file'), read.text('tls_key_file')];
  const listen = {
    ...(http !== '' && http !== '-' && { http: addressOf(http) }),
    ...(https !== '' && https !== '-' && cert !== '' && { https: addressOf(https) }),
    ...(cert !== '' && key !== '' && { tls: { cert, key } }),
    ...(metrics !== '' && metrics !== '-' && { metrics: addressOf(metrics) }),
  };
  return Object.keys(listen).length === 0 ? {} : { listen };
}

/** `:4180`, `http://127.0.0.1:4180`, `unix:///run/o.sock` */
function addressOf(address: string): string {
  const [, path] = /^unix:(?:\/\/)?(\/.*?)(?:,.*)?$/.exec(address) ?? [];
  if (path !== undefined) return `unix:${path}`;
  const bare = address.replace(/^https?:\/\//, '').replace(/\/$/, '');
  return bare.startsWith(':') ? `[::]${bare}` : bare;
}

export function storeOf(read: Reader): Record<string, unknown> {
  const redis = redisOf(read);
  if (read.text('session_store_type') === 'redis') return { kind: 'redis', ...redis };
  read.say(
    'session_store_type',
    'sessions were in cookies; they live in the embedded store of this host now, in ./data. Several hosts need store: { kind: redis, url: … }',
  );
  return { kind: 'embedded' };
}

function redisOf(read: Reader): Record<string, unknown> {
  const sentinels = read.list('redis_sentinel_connection_urls');
  const cluster = read.list('redis_cluster_connection_urls');
  const url = redisUrlOf(read);
  const useSentinel = read.isOn('redis_use_sentinel');
  const useCluster = read.isOn('redis_use_cluster');
  const username = read.text('redis_username');
  const password = read.secret('redis_password');
  const sentinelPassword = read.secret('redis_sentinel_password');
  const name = read.text('redis_sentinel_master_name');
  const ca = read.text('redis_ca_path');
  const insecure = read.isOn('redis_insecure_skip_tls_verify');
  const addresses = useSentinel ? sentinels : cluster;
  if (addresses.some((one) => one.includes('@'))) {
    const option = useSentinel ? 'redis_sentinel_connection_urls' : 'redis_cluster_connection_urls';
    read.say(option, `a user or a password in front of a host is not taken over: ${SAID_APART}`);
  }
  const isSecure = [url, ...addresses].some((one) => one.startsWith('rediss://'));
  const tls = { ...(ca !== '' && { ca }), ...(insecure && { insecure }) };
  return {
    ...(useSentinel && { sentinels: sentinels.map(hostAndPort), name }),
    ...(useCluster && { cluster: cluster.map(hostAndPort) }),
    ...(!useSentinel && !useCluster && { url }),
    ...(username !== '' && { username }),
    ...(password !== undefined && { password }),
    ...(useSentinel && sentinelPassword !== undefined && { sentinel_password: sentinelPassword }),
    ...((isSecure || Object.keys(tls).length > 0) && { tls }),
  };
}

const SAID_APART = 'store.username and store.password say them, and store.sentinel_password';

/** With its password where it stood in a file; out of the environment none gets into one. */
function redisUrlOf(read: Reader): string {
  const url = read.text('redis_connection_url');
  if (!url.includes('@') || !read.isFromEnvironment('redis_connection_url')) return url;
  read.say('redis_connection_url', `its user and password stay in the environment: ${SAID_APART}, as { env: NAME }`);
  return url.replace(/^(\w+:\/\/).*@/, '$1');
}

function hostAndPort(url: string): string {
  return url
    .replace(/^rediss?:\/\//, '')
    .replace(/^.*@/, '')
    .replace(/\/.*$/, '');
}
