// `akprox import oauth2-proxy FILE…`: the configuration on standard output, and on standard error what it could not take over, each with what
// to do. It reads these files and nothing else.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { explain } from '../../infra/errors.js';
import { FAILED, type Io, OK, usage } from '../command.js';
import { type GivenOption, readOptions } from './given-options.js';
import { importOAuth2Proxy, isKnown } from './oauth2-proxy.js';

export const IMPORT_HELP = `akprox import oauth2-proxy FILE… [--external-host URL]

Makes a configuration of akprox from that of oauth2-proxy. FILE is its configuration file, its alpha configuration (.yaml), a file of its
environment (OAUTH2_PROXY_…=…) or of its --flags; of several, the last one that has an option counts.

The configuration goes to standard output, what could not be taken over to standard error:

  akprox import oauth2-proxy oauth2-proxy.cfg > akprox.yaml && akprox check

  --external-host URL  where browsers find the application, or the login host of a domain, if redirect_url does not say it

Secrets stay where they are: what was in a file is { file: … }, what was in the environment { env: … }.
`;

const HEAD = ' Made by akprox import oauth2-proxy. Read what it said, and run akprox check.';

export function importConfiguration(args: string[], io: Io): number {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: { 'external-host': { type: 'string' } },
  });
  const [from, ...files] = positionals;
  if (from !== 'oauth2-proxy') return usage(`expected oauth2-proxy, and a file`, io, 'import');
  if (files.length === 0) return usage('expected a file', io, 'import');
  const readFile = (path: string): string => (io.readFile ?? readText)(resolve(io.cwd, path));

  const options = new Map<string, GivenOption>();
  for (const file of files) {
    try {
      for (const [name, option] of readOptions(file, readFile(file), isKnown)) options.set(name, option);
    } catch (error) {
      io.stderr(`akprox: ${file}: ${explain(error)}\n`);
      return FAILED;
    }
  }
  const imported = importOAuth2Proxy(options, { externalHost: values['external-host'], readFile });
  if (typeof imported === 'string') {
    io.stderr(`akprox: ${imported}\n`);
    return FAILED;
  }
  io.stdout(`#${HEAD}\n${stringify(imported.document, { lineWidth: 0 })}`);
  io.stderr('Not taken over as it was, and what to do:\n');
  for (const { option, advice, access } of imported.notes) io.stderr(`${access ? '! ' : '  '}${option}: ${advice}\n`);
  if (imported.notes.some(({ access }) => access)) io.stderr('! is about who gets in.\n');
  return OK;
}

function readText(path: string): string {
  return readFileSync(path, 'utf8');
}
