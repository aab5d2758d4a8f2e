// The configuration that counts, for a person: every setting with its value and where that is from. Secrets are not in it.
import { readFileSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { Document, isCollection, isNode } from 'yaml';
import { isRecord } from '../infra/untyped.js';
import type { LoadOptions } from './load.js';
import { formatPath, valueAt } from './problems.js';
import { providerSchema } from './provider-schema.js';
import { configSchema } from './schema.js';
import { SECRET_PATHS } from './secrets.js';
import { type Setting, settingsOf } from './settings.js';
import { readWritten, type Written } from './written.js';

type Path = readonly (string | number)[];

/** Stands for a secret that is written where it is used. */
const HIDDEN = '(not shown)';

/** YAML, with the source of each value behind it as a comment. For a configuration that has no problems. */
export function effectiveYaml({ env, cwd, file, readFile: read }: LoadOptions): string {
  const readFile = (path: string): string => (read ?? ((one) => readFileSync(one, 'utf8')))(resolve(cwd, path));
  const written = readWritten({ env, cwd, file, readFile });
  const document = new Document({});
  for (const { path, kinds, fallback } of settings(written)) {
    const there = valueAt(written.overlay.value, path);
    // A map that has settings of its own is shown by them.
    if (isRecord(there) && !kinds.has('map')) continue;
    const value = there === undefined ? fallback : shown(there, path, written);
    if (value === undefined) continue;
    document.setIn(path, document.createNode(value));
    const node = document.getIn(path, true);
    if (!isNode(node)) continue;
    if (isCollection(node)) node.flow = true;
    node.comment = ` ${sourceOf(path, there, written)}`;
  }
  return document.toString({ lineWidth: 0 });
}

/** Of the store only those of its kind. */
function settings({ overlay: { value } }: Written): (Omit<Setting, 'path'> & { path: Path })[] {
  const kind = valueAt(value, ['store', 'kind']) ?? 'embedded';
  const store = kind === 'redis' ? ['path', 'max_bytes'] : ['url', 'prefix'];
  const providers = valueAt(value, ['providers']);
  return [
    ...settingsOf(configSchema).filter(({ path: [head, inner = ''] }) => head !== 'store' || !store.includes(inner)),
    ...(Array.isArray(providers) ? providers : []).flatMap((_, place) =>
      settingsOf(providerSchema).map((setting) => ({ ...setting, path: ['providers', place, ...setting.path] })),
    ),
  ];
}

/** What may be seen of a value. */
function shown(value: unknown, path: Path, { set }: Written): unknown {
  if (!SECRET_PATHS.some((pattern) => matches(pattern, path))) return withoutPassword(value);
  const kept = valueAt(set.value, path);
  return isRecord(kept) ? kept : HIDDEN;
}

function matches(pattern: readonly string[], path: Path): boolean {
  return pattern.length === path.length && pattern.every((part, i) => part === '*' || part === path[i]);
}

/** A URL of Redis may have one in front of its host; behind it nothing is allowed. */
function withoutPassword(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  return value.replace(/^(\w+:\/\/)[^/?#]*@/, `$1${HIDDEN}@`);
}

function sourceOf(path: Path, value: unknown, { overlay, source }: Written): string {
  const text = formatPath(path);
  const variable = overlay.origins.get(text);
  if (variable !== undefined) return variable;
  if (value === undefined) return 'default';
  if (valueAt(source.raw, path) === undefined) return 'environment';
  const line = source.lineOf(text);
  return `${basename(source.path ?? '')}${line === undefined ? '' : `:${line}`}`;
}
