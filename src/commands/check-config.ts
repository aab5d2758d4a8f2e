// `akprox check`: whether the configuration is good, and what to register for each provider. Without --online it opens no store and asks
// nobody.
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { type RegisteredUris, registeredUris } from '../application/registered-uris.js';
import type { ProviderConfig } from '../config/schema.js';
import { counted, FAILED, type Io, loadOrPrint, OK, sourcesOf } from './command.js';

/** As identity providers call them. */
const KINDS: Readonly<Record<keyof RegisteredUris, string>> = {
  redirect: 'redirect URI',
  postLogoutRedirect: 'post-logout redirect URI',
  backChannelLogout: 'back-channel logout URI',
  frontChannelLogout: 'front-channel logout URI',
};
const WIDTH = Math.max(...Object.values(KINDS).map((kind) => kind.length));

export const CHECK_HELP = `akprox check: validate the configuration, and print the URIs to register at each identity provider

  --online   ask the identity providers, the store and authentik too: discovery, keys, the client, the redirect URI, certificates
  --print    the configuration that counts, every setting with its source; secrets are not shown

Exit code: 0 good, 1 something is wrong, 2 called wrongly. --online changes nothing at those whom it asks; each identity provider
logs one refused code.
`;

/** Throws what `parseArgs` throws. */
export async function checkConfig(args: string[], io: Io): Promise<number> {
  const { values } = parseArgs({ args, options: { online: { type: 'boolean' }, print: { type: 'boolean' } } });
  const loaded = await loadOrPrint(io);
  if (loaded === null) return FAILED;
  const { config, path, authentik, warnings } = loaded;
  for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
  const source = path === null ? 'environment' : basename(path);
  const providers = `${counted(config.providers.length, 'provider')}${authentik ? ' and those of authentik' : ''}`;
  io.stdout(`${source}: ok, ${providers}, store ${config.store.kind}\n`);
  for (const provider of config.providers) io.stdout(toRegister(provider));
  if (values.print) {
    const { effectiveYaml } = await import('../config/effective.js');
    io.stdout(`\n${effectiveYaml(sourcesOf(io))}`);
  }
  if (!values.online) return OK;
  const { checkOnline } = await import('./online/online.js');
  return (await checkOnline(loaded, io)) ? OK : FAILED;
}

function toRegister(provider: ProviderConfig): string {
  const { name, oidc } = provider;
  const uris = registeredUris(provider);
  const rows = (Object.keys(KINDS) as (keyof RegisteredUris)[]).map(
    (kind) => `  ${KINDS[kind].padEnd(WIDTH)}  ${uris[kind]}\n`,
  );
  return `\n${name}: register for the client ${oidc.client_id} at ${oidc.issuer}\n${rows.join('')}`;
}
