// The options of oauth2-proxy, whichever way they are written: the configuration file, its alpha form, `--flags`, or the environment.
// All of them become one list, by the names that the configuration file has.
import { parse as parseToml, TomlError } from 'smol-toml';
import { readYaml } from '../../config/yaml-file.js';
import { isRecord } from '../../infra/untyped.js';
import { alphaOptions } from './alpha-options.js';

export interface GivenOption {
  /** One for an option that is no list. `true` and `false` are these words. */
  readonly values: readonly string[];
  /** The variable of the environment that it stood in. */
  readonly env?: string;
}
export type GivenOptions = ReadonlyMap<string, GivenOption>;

const LIST = /(?:domains|groups|roles|routes|regex|upstreams|ips|audiences|files|urls|issuers|claims|algs|users)$/;
const VARIABLE = /^(?:export\s+)?(OAUTH2_PROXY_(\w+))=(.*)$/;
/** A line of a script, or an entry of a list in YAML. */
const FLAG = /^(?:-\s+)?["']?--?([a-z][\w-]*?)(?:=(.*?))?["']?(?:\s*\\)?$/;

/** Throws an error whose message says what is wrong with the file, and quotes nothing of it. `known`: the names of options. */
export function readOptions(name: string, text: string, known: (option: string) => boolean): GivenOptions {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  const variables = lines.flatMap((line) => {
    const [, env = '', option = '', value = ''] = VARIABLE.exec(line) ?? [];
    return env === '' ? [] : [{ env, option: option.toLowerCase(), value: unquoted(value) }];
  });
  if (variables.length > 0) {
    return new Map(variables.map(({ env, option, value }) => [option, { values: entries(option, value), env }]));
  }
  if (lines.some((line) => FLAG.test(line))) return flags(lines, known);
  if (/\.ya?ml$/.test(name)) return alphaOptions(alphaDocument(text));
  return new Map(
    Object.entries(tomlDocument(text)).map(([option, value]) => [option, { values: texts(option, value) }]),
  );
}

function alphaDocument(text: string): Record<string, unknown> {
  const { raw, problems } = readYaml(text, 'line');
  const [problem] = problems;
  if (problem !== undefined) throw new Error(`${problem.path.replace('line:', 'line ')}: ${problem.message}`);
  if (!isRecord(raw) || Object.keys(raw).length === 0) throw new Error('there are no options in it');
  return raw;
}

function tomlDocument(text: string): Record<string, unknown> {
  try {
    return parseToml(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // What follows quotes the line, and the lines around it: there are secrets among them.
    throw new Error(`line ${error.line}:${error.column}: ${error.message.split('\n', 1)[0]}`);
  }
}

function flags(lines: readonly string[], known: (option: string) => boolean): GivenOptions {
  const options = new Map<string, GivenOption>();
  for (const line of lines) {
    const [, flag = '', value = 'true'] = FLAG.exec(line) ?? [];
    if (flag === '') continue;
    const underscored = flag.replaceAll('-', '_');
    // A list is named after one of its entries.
    const option = !known(underscored) && known(`${underscored}s`) ? `${underscored}s` : underscored;
    options.set(option, { values: [...(options.get(option)?.values ?? []), ...entries(option, unquoted(value))] });
  }
  return options;
}

function texts(option: string, value: unknown): string[] {
  if (typeof value === 'string') return entries(option, value);
  return Array.isArray(value) ? value.map(String) : [String(value)];
}

function unquoted(value: string): string {
  return value.replace(/^(["'])(.*)\1$/, '$2');
}

/** A list may be written as one text. Expressions have commas of their own: what begins another is its anchor, or the method before it. */
function entries(option: string, value: string): string[] {
  if (!LIST.test(option)) return [value];
  if (/[\^$*\\(]/.test(value)) return value.split(/,(?=\^|[A-Z]+!?=)/);
  return value.split(',').map((part) => part.trim());
}
