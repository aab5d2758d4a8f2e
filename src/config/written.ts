// What is written, in the file and in the environment, before anything of it is judged.
import { basename, resolve } from 'node:path';
import { isRecord } from '../infra/untyped.js';
import { type Env, type Overlay, overlayEnvironment, type ReadFile } from './environment.js';
import { cannotBeRead, type Problem, readFailure } from './problems.js';
import { directoryOf } from './rules.js';
import { referredVariables, resolveSecrets } from './secrets.js';
import { type Applied, applyVariables } from './variables.js';
import { readYaml, type YamlFile } from './yaml-file.js';

export interface Written {
  readonly source: Source;
  /** What relative paths start from. */
  readonly directory: string;
  /** The file with AKPROX_ variables over it; secrets are still where they are kept. */
  readonly set: Applied;
  /** Those that could not be found are problems. */
  readonly secrets: { readonly value: unknown; readonly problems: Problem[] };
  /** The whole: secrets in their places, and authentik's variables under ours. */
  readonly overlay: Overlay;
}

export function readWritten(place: Place): Written {
  const { env, cwd, readFile } = place;
  const source = readSource(place);
  const directory = directoryOf(source.path, cwd);
  const set = applyVariables(source.raw, env, new Set([...referredVariables(source.raw), ...passedOn(env)]));
  const secrets = resolveSecrets(set.value, { env, readFile, directory });
  const overlay = overlayEnvironment(isRecord(secrets.value) ? secrets.value : {}, env, readFile, set.origins);
  return { source, directory, set, secrets, overlay };
}

export interface Source extends YamlFile {
  readonly path: string | null;
  readonly unreadable: boolean;
}

export interface Place {
  readonly env: Env;
  readonly cwd: string;
  /** Named by the command line. */
  readonly file: string | undefined;
  readonly readFile: ReadFile;
}

function readSource({ env, cwd, file, readFile }: Place): Source {
  const named = file ?? (env['AKPROX_CONFIG'] || undefined);
  const path = resolve(cwd, named ?? 'akprox.yaml');
  const none = { raw: {}, lineOf: () => undefined };
  try {
    return { path, unreadable: false, ...readYaml(readFile(path), basename(path)) };
  } catch (error) {
    const reason = readFailure(error);
    if (named === undefined && reason === 'ENOENT') return { ...none, path: null, unreadable: false, problems: [] };
    const problem = {
      path: file !== undefined ? '--config' : named === undefined ? 'akprox.yaml' : 'AKPROX_CONFIG',
      message: cannotBeRead(path, error),
    };
    return { ...none, path, unreadable: true, problems: [problem] };
  }
}

/** The variables that variables of authentik's are read from: `env://NAME`. */
function passedOn(env: Env): string[] {
  return Object.values(env).flatMap((value) => /^env:\/\/([^?]*)/.exec(value ?? '')?.[1] ?? []);
}
