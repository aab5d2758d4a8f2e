// Replaces `{ env: NAME }` and `{ file: PATH }` by the secret itself, at the paths that take a secret and nowhere else.
// A problem names the variable or the file and never what was in it.
import { resolve } from 'node:path';
import { isRecord } from '../infra/untyped.js';
import type { Env, ReadFile } from './environment.js';
import { cannotBeRead, formatPath, type Path, type Problem } from './problems.js';

/** Where a secret may stand; `*` is any element of a list. */
export const SECRET_PATHS = [
  ['providers', '*', 'cookie_secret'],
  ['providers', '*', 'oidc', 'client_secret'],
  ['providers', '*', 'oidc', 'private_key'],
  ['store', 'password'],
  ['store', 'sentinel_password'],
] as const;

// Stands in for a secret that could not be resolved, so that the schema and the rules do not report it a second time.
// It is never used: with a problem there is no configuration.
const UNRESOLVED = '-'.repeat(64);

export interface SecretSources {
  readonly env: Env;
  readonly readFile: ReadFile;
  /** What a relative PATH is relative to: the directory of the configuration file. */
  readonly directory: string;
}

/** A copy of `raw` with literal secrets, and every secret that could not be found. */
export function resolveSecrets(raw: unknown, sources: SecretSources): { value: unknown; problems: Problem[] } {
  const problems: Problem[] = [];
  const replace = (value: unknown, at: Path): unknown => {
    if (!isRecord(value)) return value;
    const found = lookUp(value, sources);
    if ('secret' in found) return found.secret;
    problems.push({ path: formatPath(at), message: found.message });
    return UNRESOLVED;
  };
  const value = SECRET_PATHS.reduce<unknown>((tree, pattern) => mapAt(tree, pattern, [], replace), raw);
  return { value, problems };
}

function lookUp(reference: Record<string, unknown>, sources: SecretSources): { secret: string } | { message: string } {
  const [kind, ...others] = Object.keys(reference);
  const name = kind === undefined ? undefined : reference[kind];
  if ((kind !== 'env' && kind !== 'file') || others.length > 0 || typeof name !== 'string' || name === '') {
    return { message: 'expected a string, { env: NAME } or { file: PATH }' };
  }
  if (kind === 'env') {
    const secret = Object.hasOwn(sources.env, name) ? sources.env[name] : undefined;
    if (secret === undefined)
      return { message: `environment variable ${name} is not set: set it where akprox is started` };
    return secret === '' ? { message: `environment variable ${name} is empty` } : { secret };
  }
  try {
    // Editors and `echo` end a file with one newline that nobody means as a part of the secret.
    const secret = sources.readFile(resolve(sources.directory, name)).replace(/\r?\n$/, '');
    return secret === '' ? { message: `file ${name} is empty` } : { secret };
  } catch (error) {
    return { message: cannotBeRead(name, error) };
  }
}

// Copies instead of writing in place: a YAML alias makes one object stand at two places of the tree.
function mapAt(
  value: unknown,
  pattern: readonly string[],
  at: Path,
  replace: (value: unknown, at: Path) => unknown,
): unknown {
  const [head, ...rest] = pattern;
  if (head === undefined) return replace(value, at);
  if (head === '*') {
    return Array.isArray(value) ? value.map((item, index) => mapAt(item, rest, [...at, index], replace)) : value;
  }
  if (!isRecord(value) || !Object.hasOwn(value, head)) return value;
  return { ...value, [head]: mapAt(value[head], rest, [...at, head], replace) };
}

/** The variables that the file names as the places of its secrets. */
export function referredVariables(raw: unknown): ReadonlySet<string> {
  const names = new Set<string>();
  const note = (value: unknown): unknown => {
    if (isRecord(value) && typeof value['env'] === 'string') names.add(value['env']);
    return value;
  };
  for (const pattern of SECRET_PATHS) mapAt(raw, pattern, [], note);
  return names;
}
