// What a schema cannot say: rules between settings, and formats that need a parser.
// The rules read the raw document and skip what has the wrong type, so that they can be reported beside the schema's
// issues. They never change a value; `load.ts` normalises once everything has passed.
import { X509Certificate } from 'node:crypto';
import { isIP, isIPv6 } from 'node:net';
import { dirname, resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import ipaddr from 'ipaddr.js';
import { parseHostPort } from '../infra/host-port.js';
import { LONGEST_PATH, unixPathOf } from '../infra/unix-address.js';
import { isRecord } from '../infra/untyped.js';
import type { ReadFile } from './environment.js';
import { helpProblems } from './page-settings.js';
import { cannotBeRead, type Problem, readFailure, valueAt } from './problems.js';
import { providerProblems } from './provider-rules.js';
import { configSchema } from './schema.js';

export interface RuleSources {
  readonly readFile: ReadFile;
  /** What a relative path of a PEM file is relative to: the directory of the configuration file. */
  readonly directory: string;
}

export function ruleProblems(raw: unknown, sources: RuleSources): Problem[] {
  return [
    ...listenerProblems(raw),
    ...trustedProxyProblems(raw),
    ...storeProblems(valueAt(raw, ['store'])),
    ...helpProblems(valueAt(raw, ['pages'])),
    ...providerProblems(valueAt(raw, ['providers'])),
    ...tlsProblems(raw, sources),
  ];
}

function listenerProblems(raw: unknown): Problem[] {
  const defaults = configSchema.parse({}).listen;
  const problems: Problem[] = [];
  const taken: { path: string; host: string; port: number }[] = [];
  for (const key of ['http', 'https', 'compat', 'metrics'] as const) {
    const written = valueAt(raw, ['listen', key]);
    const address = written === undefined ? defaults[key] : written;
    const socket = typeof address === 'string' ? unixPathOf(address) : null;
    if (socket !== null && key === 'http') problems.push(...socketProblems(socket));
    const parsed = typeof address === 'string' ? parseHostPort(address.toLowerCase()) : null;
    if (typeof address !== 'string' || parsed === null) continue;
    const path = `listen.${key}`;
    const { host, port } = parsed;
    if (port > 65_535) problems.push({ path, message: 'port is above 65535' });
    if (address.startsWith('[') && !isIPv6(host))
      problems.push({ path, message: 'expected an IPv6 address between [ and ]' });
    const other = port === 0 ? undefined : taken.find((one) => one.port === port && overlap(one.host, host));
    if (other) problems.push({ path, message: `listens where ${other.path} does: give it a port of its own` });
    taken.push({ path, host, port });
  }
  return problems;
}

function socketProblems(path: string): Problem[] {
  const message = `expected a path of at most ${LONGEST_PATH} bytes to a file, without control characters`;
  const fits = Buffer.byteLength(path) <= LONGEST_PATH && !path.endsWith('/') && !/\p{Cc}/u.test(path);
  return fits ? [] : [{ path: 'listen.http', message }];
}

/** An unspecified address takes the port on every address, so it collides with all of them. */
function overlap(left: string, right: string): boolean {
  const everywhere = ['0.0.0.0', '::'];
  return left === right || everywhere.includes(left) || everywhere.includes(right);
}

function trustedProxyProblems(raw: unknown): Problem[] {
  return list(valueAt(raw, ['trusted_proxies'])).flatMap((entry, index) =>
    typeof entry !== 'string' || isAddressOrNetwork(entry)
      ? []
      : [{ path: `trusted_proxies[${index}]`, message: 'expected an IP address or a network such as 10.0.0.0/8' }],
  );
}

/** ipaddr.js also takes `10` and `0x0a.1` for addresses; node's stricter `isIP` comes first. */
function isAddressOrNetwork(text: string): boolean {
  const [address = '', ...prefix] = text.split('/');
  if (isIP(address) === 0) return false;
  return prefix.length === 0 ? ipaddr.isValid(address) : prefix.length === 1 && ipaddr.isValidCIDR(text);
}

function storeProblems(store: unknown): Problem[] {
  if (!isRecord(store) || store['kind'] !== 'redis') return [];
  const problems: Problem[] = [];
  const add = (key: string, message: string) => problems.push({ path: key === '' ? 'store' : `store.${key}`, message });
  const ways = ['url', 'sentinels', 'cluster'].filter((key) => store[key] !== undefined);
  if (ways.length !== 1)
    add('', `needs exactly one of url, sentinels and cluster, has ${ways.join(' and ') || 'none'}`);
  if (store['sentinels'] !== undefined && store['name'] === undefined) add('name', 'is required with sentinels');
  if (store['cluster'] !== undefined && store['db'] !== undefined)
    add('db', 'does not go with cluster, which has one database');
  for (const key of ['name', 'sentinel_password']) {
    if (store[key] !== undefined && store['sentinels'] === undefined) add(key, 'goes with sentinels only');
  }
  const { url } = store;
  if (typeof url === 'string' && /^rediss?:\/\//.test(url) && !(URL.canParse(url) && new URL(url).hostname !== '')) {
    add('url', 'expected redis://HOST:PORT or rediss://HOST:PORT');
  } else if (typeof url === 'string' && /[?#]/.test(url)) {
    add('url', 'nothing behind "?" or "#" counts: write store.username, store.password and store.db');
  }
  for (const key of ['sentinels', 'cluster']) {
    list(store[key]).forEach((node, index) => {
      const port = typeof node === 'string' ? parseHostPort(node)?.port : undefined;
      if (port !== undefined && (port < 1 || port > 65_535)) add(`${key}[${index}]`, 'expected a port from 1 to 65535');
    });
  }
  const { tls } = store;
  if (isRecord(tls) && (tls['cert'] === undefined) !== (tls['key'] === undefined))
    add('tls', 'cert and key go together');
  return problems;
}

/** A pair is tried only when both files can be read. */
function tlsProblems(raw: unknown, sources: RuleSources): Problem[] {
  const unreadable = fileProblems(raw, sources);
  return unreadable.length > 0 ? unreadable : [...caProblems(raw, sources), ...pairProblems(raw, sources)];
}

/** A certificate and a key that do not fit each other would be refused by the listener without a word. */
function pairProblems(raw: unknown, sources: RuleSources): Problem[] {
  return pairs(raw).flatMap(({ path, pair }) => {
    const [cert, key] = ['cert', 'key'].map((name) => valueAt(pair, [name]));
    if (typeof cert !== 'string' || typeof key !== 'string') return [];
    try {
      const [certificate, privateKey] = [cert, key].map((file) => sources.readFile(resolve(sources.directory, file)));
      createSecureContext({ cert: certificate, key: privateKey });
      return [];
    } catch (error) {
      const message = `certificate and key cannot be used together (${readFailure(error)}): \`key\` has to be that of the first certificate in \`cert\`, without a password`;
      return [{ path, message }];
    }
  });
}

/** Certificates that the HTTPS listener may show. */
function pairs(raw: unknown): { readonly path: string; readonly pair: unknown }[] {
  const providers = list(valueAt(raw, ['providers']));
  return [
    { path: 'listen.tls', pair: valueAt(raw, ['listen', 'tls']) },
    ...providers.map((provider, index) => ({ path: `providers[${index}].tls`, pair: valueAt(provider, ['tls']) })),
  ];
}

/** OpenSSL takes a file without a certificate for no CA at all, and then nobody is trusted. */
function caProblems(raw: unknown, sources: RuleSources): Problem[] {
  return list(valueAt(raw, ['providers'])).flatMap((provider, index) => {
    const file = valueAt(provider, ['oidc', 'ca']);
    if (typeof file !== 'string') return [];
    try {
      new X509Certificate(sources.readFile(resolve(sources.directory, file)));
      return [];
    } catch {
      return [{ path: `providers[${index}].oidc.ca`, message: `file ${file} has no certificate that can be read` }];
    }
  });
}

function fileProblems(raw: unknown, sources: RuleSources): Problem[] {
  const paths = [
    ...list(valueAt(raw, ['providers'])).map((provider, index) => ({
      path: `providers[${index}].oidc.ca`,
      file: valueAt(provider, ['oidc', 'ca']),
    })),
    ...['ca', 'cert', 'key'].map((key) => ({ path: `store.tls.${key}`, file: valueAt(raw, ['store', 'tls', key]) })),
    ...pairs(raw).flatMap(({ path, pair }) =>
      ['cert', 'key'].map((key) => ({ path: `${path}.${key}`, file: valueAt(pair, [key]) })),
    ),
  ];
  return paths.flatMap(({ path, file }) => {
    if (typeof file !== 'string') return [];
    try {
      const text = sources.readFile(resolve(sources.directory, file));
      return text.includes('-----BEGIN ')
        ? []
        : [{ path, message: `file ${file} is not a PEM file: convert it, it has to have a line -----BEGIN …-----` }];
    } catch (error) {
      return [{ path, message: cannotBeRead(file, error) }];
    }
  });
}

/** The directory that relative paths of a configuration start from. */
export function directoryOf(file: string | null, cwd: string): string {
  return file === null ? cwd : dirname(file);
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
