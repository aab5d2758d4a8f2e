// What is wrong with a configuration, in words an operator can act on: a path and a sentence.
// A message names a variable, a file or a key. It never quotes a value: any value may be a secret in the wrong place.
import { isRecord } from '../infra/untyped.js';

/** `path` is a setting (`providers[0].oidc.client_id`), a variable, or a place in the file (`akprox.yaml:3:1`). */
export interface Problem {
  readonly path: string;
  readonly message: string;
  /** Where it stands in the file, or what is around it does; counted from one. */
  readonly line?: number;
  /** The name of the provider that it is about. */
  readonly provider?: string;
}

/** One line: `providers[37] (grafana), line 412: oidc.issuer: is required`. */
export function formatProblem({ path, message, line, provider }: Problem): string {
  const place = line === undefined ? '' : `, line ${line}`;
  const [, element, inner] = /^(providers\[\d+\])\.?(.*)$/.exec(path) ?? [];
  if (element === undefined) return `${path}${place}: ${message}`;
  const named = provider === undefined ? element : `${element} (${provider})`;
  return `${named}${place}: ${inner === '' ? '' : `${inner}: `}${message}`;
}

export type Path = readonly PropertyKey[];

export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');
}

/** The value at `path`, or undefined when anything on the way is missing or of another type. */
export function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, part) => {
    if (Array.isArray(value) && typeof part === 'number') return value[part];
    if (isRecord(value) && Object.hasOwn(value, part)) return value[String(part)];
    return undefined;
  }, root);
}

/** Says that `file`, as it is written, could not be read, and what to do about it. */
export function cannotBeRead(file: string, error: unknown): string {
  const reason = readFailure(error);
  const advice = READ_ADVICE[reason];
  return `file ${file} cannot be read (${reason})${advice === undefined ? '' : `: ${advice}`}`;
}

const RIGHTS = 'give the user that akprox runs as the right to read it, and to enter the directories above it';

const READ_ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'correct the path, or put the file there',
  ENOTDIR: 'correct the path, or put the file there',
  EISDIR: 'it is a directory, name the file in it',
  EACCES: RIGHTS,
  EPERM: RIGHTS,
};

/** Why a file could not be read, as the code of the system error: `ENOENT`, `EACCES`. */
export function readFailure(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
}
