// Every setting from the environment, by one rule: AKPROX_ and the path of the setting, in capitals, with _ between its parts
// (`listen.http` is AKPROX_LISTEN_HTTP). Those of a provider have its name in between (AKPROX_PROVIDER_GRAFANA_OIDC_ISSUER), and _FILE
// behind a secret names the file that it is in. What the environment says wins over the file. Contract §6.
import { parse } from 'yaml';
import { isRecord } from '../infra/untyped.js';
import type { Env } from './environment.js';
import { nearest } from './near-miss.js';
import { formatPath, type Problem } from './problems.js';
import { providerSchema } from './provider-schema.js';
import { configSchema } from './schema.js';
import { SECRET_PATHS } from './secrets.js';
import { type Kind, type Setting, settingsOf } from './settings.js';

const PREFIX = 'AKPROX_';
const PROVIDER = 'AKPROX_PROVIDER_';
/** Names the file; no setting. */
const CONFIG = 'AKPROX_CONFIG';

/** What Kubernetes puts into every container for each Service of the namespace; one may be called `akprox`. */
const SERVICE_LINK =
  /^AKPROX_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;
const SERVICE_PORT = /^(?:tcp|udp|sctp):\/\//;

export interface Applied {
  readonly value: unknown;
  /** Setting → the variable that it was taken from, for messages. */
  readonly origins: ReadonlyMap<string, string>;
  /** Place in the list of a provider that came of the environment → what stands before its settings: `AKPROX_PROVIDER_GRAFANA_`. */
  readonly added: ReadonlyMap<number, string>;
  readonly problems: Problem[];
}

/**
 * `raw` with the settings of AKPROX_ variables over it. A provider that it has no name for is added. A variable that is no setting is a
 * problem, unless `referred` has it: the file may keep secrets in variables of any name. Empty is unset: Compose passes empty ones on.
 */
export function applyVariables(raw: unknown, env: Env, referred: ReadonlySet<string>): Applied {
  const origins = new Map<string, string>();
  const added = new Map<number, string>();
  const problems: Problem[] = [];
  let value = raw;
  for (const name of Object.keys(env).sort()) {
    const text = env[name];
    if (!name.startsWith(PREFIX) || name === CONFIG || referred.has(name) || isServiceLink(name, text)) continue;
    if (text === undefined || text === '') continue;
    const target = name.startsWith(PROVIDER) ? ofProvider(name, value, added) : ofDaemon(name);
    if (target === null) {
      problems.push({ path: name, message: unknown(name) });
      continue;
    }
    const read = target.file ? { value: { file: text } } : valueFrom(text, target.kinds);
    if (read === null) {
      problems.push({ path: name, message: `expected ${wanted(target.kinds)}` });
      continue;
    }
    if (target.added !== undefined) {
      const { place, capitals } = target.added;
      added.set(place, `${PROVIDER}${capitals}_`);
      value = put(value, ['providers', place], { name: capitals.toLowerCase().replaceAll('_', '-') });
    }
    value = put(value, target.path, read.value);
    origins.set(formatPath(target.path), name);
  }
  return { value, origins, added, problems };
}

interface Target {
  readonly path: readonly (string | number)[];
  readonly kinds: ReadonlySet<Kind>;
  /** The variable names a file that has it. */
  readonly file: boolean;
  /** A provider that is not there yet. */
  readonly added?: { readonly place: number; readonly capitals: string };
}

interface Named {
  readonly setting: Setting;
  readonly file: boolean;
}

/** What stands behind AKPROX_, or behind the name of the provider, of each setting. */
const DAEMON = names(settingsOf(configSchema), []);
const OF_PROVIDER = names(settingsOf(providerSchema), ['providers', '*']);

function names(settings: readonly Setting[], above: readonly string[]): ReadonlyMap<string, Named> {
  const secrets = new Set(SECRET_PATHS.map((path) => path.join('.')));
  return new Map(
    settings.flatMap((setting): [string, Named][] => {
      const name = setting.path.join('_').toUpperCase();
      const own: [string, Named] = [name, { setting, file: false }];
      const isSecret = secrets.has([...above, ...setting.path].join('.'));
      return isSecret ? [own, [`${name}_FILE`, { setting, file: true }]] : [own];
    }),
  );
}

function ofDaemon(variable: string): Target | null {
  const named = DAEMON.get(variable.slice(PREFIX.length));
  return named === undefined ? null : { path: named.setting.path, kinds: named.setting.kinds, file: named.file };
}

/** The longest name of a setting that it ends in; what stands before is the provider's. */
function ofProvider(variable: string, value: unknown, added: ReadonlyMap<number, string>): Target | null {
  const rest = variable.slice(PROVIDER.length);
  const [ending] = [...OF_PROVIDER.keys()]
    .filter((name) => rest.endsWith(`_${name}`) && rest.length > name.length + 1)
    .sort((left, right) => right.length - left.length);
  const named = ending === undefined ? undefined : OF_PROVIDER.get(ending);
  if (ending === undefined || named === undefined) return null;
  const capitals = rest.slice(0, -ending.length - 1);
  const providers = isRecord(value) && Array.isArray(value['providers']) ? (value['providers'] as unknown[]) : [];
  // One that came of the environment stays who it is when a variable of its own renames it.
  const there = providers.findIndex((one, place) =>
    added.has(place)
      ? added.get(place) === `${PROVIDER}${capitals}_`
      : isRecord(one) && capitalsOf(one['name']) === capitals,
  );
  const place = there === -1 ? providers.length : there;
  return {
    path: ['providers', place, ...named.setting.path],
    kinds: named.setting.kinds,
    file: named.file,
    ...(there === -1 && { added: { place, capitals } }),
  };
}

function capitalsOf(name: unknown): string | null {
  return typeof name === 'string' ? name.toUpperCase().replace(/[^A-Z0-9]/g, '_') : null;
}

/** A copy; what has the wrong type on the way stays, for the schema to complain about. */
function put(value: unknown, [head, ...rest]: readonly (string | number)[], next: unknown): unknown {
  if (head === undefined) return next;
  if (typeof head === 'number') {
    if (value !== undefined && !Array.isArray(value)) return value;
    const list: unknown[] = [...((value as unknown[] | undefined) ?? [])];
    list[head] = put(list[head], rest, next);
    return list;
  }
  // Null is how YAML reads a key with nothing behind it.
  if (value !== undefined && value !== null && !isRecord(value)) return value;
  return { ...(value ?? {}), [head]: put(value?.[head], rest, next) };
}

/** Null when the text is none of these kinds. A list is separated by commas, or written as YAML has it, as maps are. */
function valueFrom(text: string, kinds: ReadonlySet<Kind>): { readonly value: unknown } | null {
  if (kinds.has('null') && text === 'null') return { value: null };
  if (kinds.has('boolean') && (text === 'true' || text === 'false')) return { value: text === 'true' };
  if (kinds.has('number') && /^-?\d+$/.test(text)) return { value: Number(text) };
  if ((kinds.has('list') && text.startsWith('[')) || (kinds.has('map') && text.startsWith('{'))) return flow(text);
  if (kinds.has('string')) return { value: text };
  if (!kinds.has('list')) return null;
  const items = text.split(',').map((item) => item.trim());
  return { value: items.filter((item) => item !== '') };
}

function flow(text: string): { readonly value: unknown } | null {
  try {
    return { value: parse(text) as unknown };
  } catch {
    return null;
  }
}

const WANTED: Readonly<Record<Kind, string>> = {
  string: 'text',
  number: 'a whole number',
  boolean: 'true or false',
  null: 'null',
  list: 'a list such as a,b or [a, b]',
  map: 'a map such as {a: b}',
};

function wanted(kinds: ReadonlySet<Kind>): string {
  return [...kinds].map((kind) => WANTED[kind]).join(' or ');
}

function unknown(variable: string): string {
  const guess = variable.startsWith(PROVIDER)
    ? undefined
    : nearest(variable, [CONFIG, ...[...DAEMON.keys()].map((name) => PREFIX + name)]);
  const rule = variable.startsWith(PROVIDER)
    ? 'no setting of a provider: AKPROX_PROVIDER_, its name, and a setting such as OIDC_ISSUER'
    : 'no setting';
  return guess === undefined ? rule : `${rule}, did you mean ${guess}?`;
}

function isServiceLink(name: string, text: string | undefined): boolean {
  return SERVICE_LINK.test(name) || (name.endsWith('_PORT') && SERVICE_PORT.test(text ?? ''));
}
