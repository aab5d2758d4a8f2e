// File and environment → a Config, or every problem at once. Nothing starts on half a configuration, and nothing is
// replaced by a default because it was wrong. No value ever appears in a problem or a warning.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { anchorsTheEnd, END_UNSEEN } from '../application/allow-list.js';
import { parseCookieDomain, parseOrigin } from '../application/public-origin.js';
import { unixPathOf } from '../infra/unix-address.js';
import { isRecord } from '../infra/untyped.js';
import { type AuthentikEnv, type Env, type ReadFile, readAuthentikEnv } from './environment.js';
import { certificateFiles, endedCertificates } from './listener-certificates.js';
import { readOutgoingProxies, wantsTracing } from './outgoing.js';
import { type ReadBytes, readLogo } from './page-settings.js';
import { type Problem, valueAt } from './problems.js';
import { NAME } from './provider-schema.js';
import { ruleProblems } from './rules.js';
import { type Config, configSchema, DEFAULT_STORE_PATH, type ParsedConfig, type ProviderConfig } from './schema.js';
import { schemaProblems } from './schema-problems.js';
import type { Applied } from './variables.js';
import { readWritten } from './written.js';
import type { YamlFile } from './yaml-file.js';

export interface LoadOptions {
  readonly env: Env;
  readonly cwd: string;
  /** Read in place of what AKPROX_CONFIG names. */
  readonly file?: string;
  readonly readFile?: ReadFile;
  readonly readBytes?: ReadBytes;
  readonly now?: () => number;
}

export interface Loaded {
  readonly ok: true;
  /** Origins and cookie domains normalised, secrets resolved, PEM paths absolute. */
  readonly config: Config;
  /** How to reach authentik core, if the environment says so. */
  readonly authentik: AuthentikEnv | null;
  /** Absolute path of the file; null when the environment was enough. */
  readonly path: string | null;
  /** How many settings the file has at its top level: 0 when it is empty, and when there is none. */
  readonly settings: number;
  readonly warnings: string[];
  /** Absolute paths of what was read besides the configuration file, without the certificates of listeners: secrets above all. */
  readonly files: ReadonlySet<string>;
}

export interface NotLoaded {
  readonly ok: false;
  readonly problems: Problem[];
  /** Absolute path of the file that was read or looked for; null when there was none. */
  readonly file: string | null;
}

export type LoadResult = Loaded | NotLoaded;

/** Never throws: what is wrong comes back as `problems`, at most one for a path and all of them together. */
export function loadConfig(options: LoadOptions): LoadResult {
  const {
    env,
    cwd,
    file,
    readFile: read = readText,
    readBytes = (path) => readFileSync(path),
    now = Date.now,
  } = options;
  const known = new Map<string, string>();
  const readFile = readOnce((path) => read(resolve(cwd, path)), known);
  const core = readAuthentikEnv(env, readFile);
  const { source, directory, set, secrets, overlay } = readWritten({ env, cwd, file, readFile });
  const nothing = source.path === null && set.origins.size === 0 && core.ok && core.authentik === null;
  const missing = nothing ? [nothingToRead(cwd)] : [];
  const logo = readLogo(valueAt(overlay.value, ['pages']), { readBytes, directory });
  const outgoing = readOutgoingProxies(env);
  const outside = [
    ...missing,
    ...source.problems,
    ...(core.ok ? [] : core.problems),
    ...outgoing.problems,
    ...set.problems,
    ...overlay.problems,
  ];
  // Judging the settings of a file that could not be read would report its every required setting as missing.
  const readable = source.problems.length === 0;
  const parsed = configSchema.safeParse(overlay.value);
  const inside = [
    ...secrets.problems,
    ...(parsed.success ? [] : schemaProblems(configSchema, overlay.value, parsed.error.issues)),
    ...ruleProblems(overlay.value, { readFile, directory }),
    ...logo.problems,
  ];
  const problems = readable
    ? [...outside, ...onePerPath(inside).map((problem) => withPlace(problem, overlay.origins, set, source))]
    : outside;
  if (problems.length > 0 || !parsed.success || !core.ok) return { ok: false, problems, file: source.path };

  const { proxies } = outgoing;
  const config = {
    ...normalise(parsed.data, directory, readFile, logo.url),
    ...(proxies && { proxies }),
    ...(wantsTracing(env) && { tracing: true }),
  };
  const ended = endedCertificates(config, readFile, now());
  const warnings = [...overlay.warnings, ...doubts(config, core.authentik), ...openToAll(overlay.value), ...ended];
  const settings = isRecord(source.raw) ? Object.keys(source.raw).length : 0;
  const others: readonly (string | null)[] = [source.path, ...certificateFiles(config)];
  const files = new Set([...known.keys()].map((path) => resolve(cwd, path)).filter((path) => !others.includes(path)));
  return { ok: true, config, authentik: core.authentik, path: source.path, settings, warnings, files };
}

/**
 * Where the metrics listener of a running daemon is, for the health probe; null when it is switched off. Looks past every
 * problem: a daemon goes on with its old configuration while a bad file lies on disk, and a probe must not kill it then.
 */
export function loadMetricsAddress({ env, cwd, file, readFile: read = readText }: LoadOptions): string | null {
  const readFile: ReadFile = (path) => read(resolve(cwd, path));
  const { overlay } = readWritten({ env, cwd, file, readFile });
  const written = valueAt(overlay.value, ['listen', 'metrics']);
  return typeof written === 'string' || written === null ? written : configSchema.parse({}).listen.metrics;
}

export interface DaemonPlace {
  readonly store: { readonly kind: 'embedded'; readonly path: string } | { readonly kind: 'redis' };
  readonly listen: Config['listen'];
  /** Absolute path of the file; null without one. */
  readonly path: string | null;
}

/**
 * What leads to a running daemon. Looks past every problem too, which come along for whoever finds no daemon: a variable of the daemon's
 * may be missing in an operator's shell. Null when a file is named that cannot be read: it could lead to another daemon.
 */
export function loadDaemonPlace(options: LoadOptions): { place: DaemonPlace | null; problems: readonly Problem[] } {
  const loaded = loadConfig(options);
  if (loaded.ok) return { place: { ...loaded.config, path: loaded.path }, problems: [] };
  const { problems } = loaded;
  const { env, cwd, file, readFile: read = readText } = options;
  const readFile: ReadFile = (path) => read(resolve(cwd, path));
  const { overlay, source, directory } = readWritten({ env, cwd, file, readFile });
  if (source.unreadable) return { place: null, problems };
  const fallback = configSchema.parse({});
  const { data: listen = fallback.listen } = configSchema.shape.listen.safeParse(valueAt(overlay.value, ['listen']));
  const [kind, path] = ['kind', 'path'].map((name) => valueAt(overlay.value, ['store', name]));
  const place: DaemonPlace = {
    store:
      kind === 'redis' ? { kind } : { kind: 'embedded', path: typeof path === 'string' ? path : DEFAULT_STORE_PATH },
    listen: withAbsoluteTls(listen, (relative) => resolve(directory, relative)),
    path: source.path,
  };
  return { place, problems };
}

function nothingToRead(cwd: string): Problem {
  return {
    path: 'akprox.yaml',
    message: `not found in ${cwd}: write one, name one in AKPROX_CONFIG, set AUTHENTIK_HOST and AUTHENTIK_TOKEN, or every setting by AKPROX_ variables`,
  };
}

/** The first problem of a path, the rest would follow from it; in the order of the settings. */
function onePerPath(problems: readonly Problem[]): Problem[] {
  const first = new Map<string, Problem>();
  for (const problem of problems) if (!first.has(problem.path)) first.set(problem.path, problem);
  return [...first.values()].sort((left, right) => left.path.localeCompare(right.path, 'en', { numeric: true }));
}

/** With the variable that the setting is from or has to be set by, or the line of the file, and the name of the provider. */
function withPlace(
  { path, message }: Problem,
  origins: ReadonlyMap<string, string>,
  { added, value }: Applied,
  file: YamlFile,
): Problem {
  const [, place, inner = ''] = /^providers\[(\d+)\]\.?(.*)$/.exec(path) ?? [];
  const name = place === undefined ? undefined : valueAt(value, ['providers', Number(place), 'name']);
  const provider = typeof name === 'string' && NAME.test(name) ? { provider: name } : {};
  const variable = origins.get(path) ?? origins.get(path.replace(/\[\d+\]$/, ''));
  if (variable !== undefined) return { path, message: `${message} (from ${variable})`, ...provider };
  const prefix = place === undefined ? undefined : added.get(Number(place));
  if (prefix !== undefined) {
    const missing = `${prefix}${inner.replaceAll('.', '_').toUpperCase()}`;
    return { path, message: `${message} (set ${missing})`, ...provider };
  }
  const line = file.lineOf(path);
  return { path, message, ...(line !== undefined && { line }), ...provider };
}

function normalise(config: ParsedConfig, directory: string, readFile: ReadFile, logo: string): Config {
  const absolute = (file: string) => resolve(directory, file);
  return {
    ...config,
    pages: { ...config.pages, logo },
    listen: withAbsoluteTls(config.listen, absolute),
    store: withAbsolutePems(config.store, absolute),
    providers: config.providers.map((provider) => normaliseProvider(provider, absolute, readFile)),
  };
}

function normaliseProvider(
  provider: ParsedConfig['providers'][number],
  absolute: (file: string) => string,
  readFile: ReadFile,
): ProviderConfig {
  const origin = parseOrigin(provider.external_host);
  if (origin === undefined) throw new Error('the rules let an external_host through that is no origin');
  const { ca, ...oidc } = provider.oidc;
  return {
    ...provider,
    oidc: { ...oidc, ...(ca !== undefined && { ca: readFile(absolute(ca)) }) },
    origin,
    external_host: origin.origin,
    cookie_domain: parseCookieDomain(provider.cookie_domain) ?? '',
    ...(provider.tls && { tls: absolutePair(provider.tls, absolute) }),
  };
}

function withAbsoluteTls(listen: ParsedConfig['listen'], absolute: (file: string) => string): ParsedConfig['listen'] {
  return { ...listen, ...(listen.tls && { tls: absolutePair(listen.tls, absolute) }) };
}

function absolutePair(
  { cert, key }: { readonly cert: string; readonly key: string },
  absolute: (file: string) => string,
): { cert: string; key: string } {
  return { cert: absolute(cert), key: absolute(key) };
}

function withAbsolutePems(store: Config['store'], absolute: (file: string) => string): Config['store'] {
  if (store.kind !== 'redis' || typeof store.tls !== 'object') return store;
  const { ca, cert, key, insecure } = store.tls;
  const files = Object.entries({ ca, cert, key }).flatMap(([name, file]) =>
    file === undefined ? [] : [[name, absolute(file)]],
  );
  return { ...store, tls: { ...Object.fromEntries(files), insecure } };
}

/** What works and is probably not meant. */
function doubts(config: Config, authentik: AuthentikEnv | null): string[] {
  const warnings: string[] = [];
  if (config.providers.length === 0 && authentik === null)
    warnings.push('there are no providers: every check is refused');
  if (config.workers === 'auto' && unixPathOf(config.listen.http ?? '') !== null)
    warnings.push(
      'workers is auto and listen.http a unix socket: a proxy has to list one socket for each worker, so write how many',
    );
  if (config.cache.max_age > config.cache.stale_max)
    warnings.push('cache.max_age is above cache.stale_max and has no effect');
  const domains = new Map<string, number>();
  config.providers.forEach((provider, index) => {
    const path = `providers[${index}]`;
    if (!provider.origin.secure) warnings.push(`${path}.external_host is http: its cookies travel in the clear`);
    provider.skip_path_regex.forEach((expression, place) => {
      if (anchorsTheEnd(expression)) warnings.push(`${path}.skip_path_regex[${place}] ${END_UNSEEN}`);
    });
    if (provider.mode !== 'forward_domain') return;
    const earlier = domains.get(provider.cookie_domain);
    if (earlier === undefined) domains.set(provider.cookie_domain, index);
    else
      warnings.push(
        `${path}.cookie_domain is that of providers[${earlier}] too: only one of them answers for the hosts below it`,
      );
  });
  return warnings;
}

/** An `access` of empty lists reads as nobody, and means what no `access` means. */
function openToAll(written: unknown): string[] {
  const providers = valueAt(written, ['providers']);
  if (!Array.isArray(providers)) return [];
  return providers.flatMap((provider: unknown, index) => {
    const access = valueAt(provider, ['access']);
    if (!isRecord(access) || Object.values(access).some((list) => Array.isArray(list) && list.length > 0)) return [];
    return [`providers[${index}].access names nobody, so whoever can log in may pass: name groups, or leave it out`];
  });
}

/** What was checked is what is used: a file may be replaced, or go, in between. */
function readOnce(readFile: ReadFile, known: Map<string, string>): ReadFile {
  return (path) => {
    const text = known.get(path) ?? readFile(path);
    known.set(path, text);
    return text;
  };
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
