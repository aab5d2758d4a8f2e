// `akprox check`: whether the configuration is good. It opens no store and asks nobody.
import { basename } from 'node:path';
import { counted, FAILED, type Io, loadOrPrint, OK } from './command.js';

export function checkConfig(io: Io): number {
  const loaded = loadOrPrint(io);
  if (loaded === null) return FAILED;
  const { config, path, authentik, warnings } = loaded;
  for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
  const source = path === null ? 'environment' : basename(path);
  const providers = `${counted(config.providers.length, 'provider')}${authentik ? ' and those of authentik' : ''}`;
  io.stdout(`${source}: ok, ${providers}, store ${config.store.kind}\n`);
  return OK;
}
