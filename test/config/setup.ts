// What the tests of the configuration share: files on a disk that is not there, and a good provider to break.
import assert from 'node:assert/strict';
import { generate } from 'selfsigned';
import type { Env } from '../../src/config/environment.js';
import { type Loaded, loadConfig, type NotLoaded } from '../../src/config/load.js';

export const SECRET = 'a-cookie-secret-of-32-bytes-or-more';
export const PEM = '-----BEGIN CERTIFICATE-----\n';
export const PAIR = await generate([{ name: 'commonName', value: 'one' }], { keyType: 'ec' });
export const OTHER = await generate([{ name: 'commonName', value: 'two' }], { keyType: 'ec' });

/** Files by absolute path; anything else is missing, as for `fs.readFileSync`. */
export function diskOf(files: Record<string, string>) {
  return (path: string): string => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return text;
  };
}

export interface Given {
  readonly env?: Env;
  readonly files?: Record<string, string>;
}

export function loadYaml(yaml: string, { env = {}, files = {} }: Given = {}) {
  return loadConfig({ env, cwd: '/etc/akprox', readFile: diskOf({ '/etc/akprox/akprox.yaml': yaml, ...files }) });
}

export function load(raw: unknown, given?: Given) {
  return loadYaml(JSON.stringify(raw), given);
}

export function loaded(result: Loaded | NotLoaded): Loaded {
  assert.ok(result.ok, JSON.stringify(result));
  return result;
}

export function problemsOf(result: Loaded | NotLoaded): Record<string, string> {
  assert.ok(!result.ok, 'expected problems');
  return Object.fromEntries(result.problems.map(({ path, message }) => [path, message]));
}

/** A good provider, with changes; undefined removes a setting. */
export function provider(
  changes: Record<string, unknown> = {},
  oidc: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    name: 'whoami',
    mode: 'forward_single',
    external_host: 'https://whoami.company.tld',
    cookie_secret: SECRET,
    oidc: { issuer: 'https://auth.company.tld/application/o/whoami/', client_id: 'whoami', ...oidc },
    ...changes,
  };
}

export const domain = (changes: Record<string, unknown>) =>
  provider({
    mode: 'forward_domain',
    external_host: 'https://auth.company.tld',
    cookie_domain: 'company.tld',
    ...changes,
  });
