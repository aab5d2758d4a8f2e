// The variables of the official outpost, so that a container that ran it can run this instead.
// The environment comes in as an argument. Every value may be `file://PATH` or `env://NAME?default`, as authentik has it.
import { fromPythonLevel } from '../infra/log-level.js';
import { isRecord } from '../infra/untyped.js';
import { cannotBeRead, type Problem } from './problems.js';

export type Env = Readonly<Record<string, string | undefined>>;

/** UTF-8 text of a file; throws a system error (`code`: `ENOENT`, …) like `fs.readFileSync`. */
export type ReadFile = (path: string) => string;

/** How to reach authentik core. `host` and `hostBrowser` are http(s) URLs without a trailing slash. */
export interface AuthentikEnv {
  readonly host: string;
  readonly token: string;
  readonly insecure: boolean;
  readonly hostBrowser: string | null;
}

export type AuthentikEnvResult =
  | { readonly ok: true; readonly authentik: AuthentikEnv | null }
  | { readonly ok: false; readonly problems: Problem[] };

/** AUTHENTIK_HOST, _TOKEN, _INSECURE and _HOST_BROWSER. Neither of the first two: `authentik` is null. */
export function readAuthentikEnv(env: Env, readFile: ReadFile): AuthentikEnvResult {
  const problems: Problem[] = [];
  const read = variables(env, readFile, problems);
  const host = url(read, 'AUTHENTIK_HOST', problems);
  const token = read('AUTHENTIK_TOKEN');
  const hostBrowser = url(read, 'AUTHENTIK_HOST_BROWSER', problems);
  const insecure = flag(read, 'AUTHENTIK_INSECURE', problems);
  // By the variables, not by what came of them: a token file that is missing has been reported already.
  const hasHost = isSet(env, 'AUTHENTIK_HOST');
  const hasToken = isSet(env, 'AUTHENTIK_TOKEN');
  if (hasHost && !hasToken) problems.push({ path: 'AUTHENTIK_TOKEN', message: 'is required beside AUTHENTIK_HOST' });
  if (hasToken && !hasHost) problems.push({ path: 'AUTHENTIK_HOST', message: 'is required beside AUTHENTIK_TOKEN' });
  if (problems.length > 0) return { ok: false, problems };
  if (host === undefined || token === undefined) return { ok: true, authentik: null };
  return { ok: true, authentik: { host, token, insecure, hostBrowser: hostBrowser ?? null } };
}

export interface Overlay {
  readonly value: Record<string, unknown>;
  /** Setting → the variable that it was taken from, for messages. */
  readonly origins: ReadonlyMap<string, string>;
  readonly problems: Problem[];
  readonly warnings: string[];
}

/**
 * `raw` with the environment over it. It wins for `listen`, `trusted_proxies` and `log`, but over nothing that `taken` has, which an
 * AKPROX_ variable has set; a `store` that is there wins over it.
 */
export function overlayEnvironment(
  raw: Record<string, unknown>,
  env: Env,
  readFile: ReadFile,
  taken: ReadonlyMap<string, string> = new Map(),
): Overlay {
  const value = { ...raw };
  const origins = new Map(taken);
  const problems: Problem[] = [];
  const warnings: string[] = [];
  const read = variables(env, readFile, problems);

  const put = (section: 'listen' | 'log', key: string, variable: string, setting: string | undefined) => {
    const current = value[section] ?? {};
    // A section of the wrong type stays as it is, for the schema to complain about.
    if (setting === undefined || !isRecord(current) || taken.has(`${section}.${key}`)) return;
    value[section] = { ...current, [key]: setting };
    origins.set(`${section}.${key}`, variable);
  };
  for (const key of ['http', 'https', 'metrics']) {
    const variable = `AUTHENTIK_LISTEN__${key.toUpperCase()}`;
    // Go's spelling of "every address".
    put('listen', key, variable, read(variable)?.replace(/^:(?=\d+$)/, '[::]:'));
  }
  const level = read('AUTHENTIK_LOG_LEVEL');
  put('log', 'level', 'AUTHENTIK_LOG_LEVEL', level === undefined ? undefined : fromPythonLevel(level));

  const cidrs = read('AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS');
  if (cidrs !== undefined && !taken.has('trusted_proxies')) {
    const list = cidrs.split(',').map((cidr) => cidr.trim());
    value['trusted_proxies'] = list.filter((cidr) => cidr !== '');
    origins.set('trusted_proxies', 'AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS');
  }

  const redisVariables = Object.keys(env).filter((name) => name.startsWith('AUTHENTIK_REDIS__') && isSet(env, name));
  if (redisVariables.length > 0 && value['store'] !== undefined) {
    warnings.push('AUTHENTIK_REDIS__* is ignored: there is a `store` in the configuration');
  } else if (redisVariables.length > 0 && !isSet(env, 'AUTHENTIK_REDIS__HOST')) {
    warnings.push('AUTHENTIK_REDIS__* is ignored: AUTHENTIK_REDIS__HOST is not set');
  } else if (redisVariables.length > 0) {
    value['store'] = redisStore(read, problems, origins);
  }
  return { value, origins, problems, warnings };
}

type Read = (variable: string) => string | undefined;

function redisStore(read: Read, problems: Problem[], origins: Map<string, string>): Record<string, unknown> {
  const host = read('AUTHENTIK_REDIS__HOST') ?? 'localhost';
  if (/[\s/@?#]/.test(host))
    problems.push({ path: 'AUTHENTIK_REDIS__HOST', message: 'expected a host name or address' });
  const port = wholeNumber(read, 'AUTHENTIK_REDIS__PORT', 6379, problems);
  const db = wholeNumber(read, 'AUTHENTIK_REDIS__DB', 0, problems);
  const encrypted = flag(read, 'AUTHENTIK_REDIS__TLS', problems);
  const requirement = read('AUTHENTIK_REDIS__TLS_REQS')?.toLowerCase();
  if (requirement !== undefined && !['none', 'optional', 'required'].includes(requirement)) {
    problems.push({ path: 'AUTHENTIK_REDIS__TLS_REQS', message: 'expected none, optional or required' });
  }
  const ca = read('AUTHENTIK_REDIS__TLS_CA_CERT');
  const username = read('AUTHENTIK_REDIS__USERNAME');
  const password = read('AUTHENTIK_REDIS__PASSWORD');
  origins.set('store.url', 'AUTHENTIK_REDIS__HOST and AUTHENTIK_REDIS__PORT');
  origins.set('store.db', 'AUTHENTIK_REDIS__DB');
  origins.set('store.tls.ca', 'AUTHENTIK_REDIS__TLS_CA_CERT');
  const bracketed = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return {
    kind: 'redis',
    url: `${encrypted ? 'rediss' : 'redis'}://${bracketed}:${port}`,
    db,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(encrypted && { tls: { ...(ca !== undefined && { ca }), insecure: requirement === 'none' } }),
  };
}

/** Reads a variable through `file://` and `env://`. Unset and empty are the same: compose files pass empty ones on. */
function variables(env: Env, readFile: ReadFile, problems: Problem[]): Read {
  return (variable) => {
    const value = own(env, variable);
    const [, scheme, target = '', fallback] = /^(file|env):\/\/([^?]*)(?:\?(.*))?$/s.exec(value) ?? [];
    if (scheme === undefined) return value === '' ? undefined : value;
    if (scheme === 'env') {
      const found = own(env, target) || fallback;
      if (!found)
        problems.push({
          path: variable,
          message: `environment variable ${target} is not set: set it where akprox is started`,
        });
      return found || undefined;
    }
    try {
      const found = readFile(target).trim() || fallback;
      if (!found) problems.push({ path: variable, message: `file ${target} is empty` });
      return found || undefined;
    } catch (error) {
      if (!fallback) problems.push({ path: variable, message: cannotBeRead(target, error) });
      return fallback || undefined;
    }
  };
}

function own(env: Env, variable: string): string {
  return (Object.hasOwn(env, variable) ? env[variable] : undefined) ?? '';
}

function isSet(env: Env, variable: string): boolean {
  return own(env, variable) !== '';
}

function flag(read: Read, variable: string, problems: Problem[]): boolean {
  const text = read(variable)?.toLowerCase();
  if (text === undefined || ['false', 'f', '0', 'no', 'off'].includes(text)) return false;
  if (!['true', 't', '1', 'yes', 'on'].includes(text))
    problems.push({ path: variable, message: 'expected true or false' });
  return true;
}

function wholeNumber(read: Read, variable: string, fallback: number, problems: Problem[]): number {
  const text = read(variable);
  if (text === undefined) return fallback;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  problems.push({ path: variable, message: 'expected a whole number' });
  return fallback;
}

function url(read: Read, variable: string, problems: Problem[]): string | undefined {
  const text = read(variable);
  if (text === undefined) return undefined;
  if (/^https?:\/\/[^\s@?#\\]+$/i.test(text) && URL.canParse(text)) return text.replace(/\/+$/, '');
  problems.push({ path: variable, message: 'expected an http:// or https:// URL without user, query or fragment' });
  return undefined;
}
