// `akprox check`: whether the configuration is good, and what to register for each provider. It opens no store and asks nobody.
import { basename } from 'node:path';
import { type RegisteredUris, registeredUris } from '../application/registered-uris.js';
import type { ProviderConfig } from '../config/schema.js';
import { counted, FAILED, type Io, loadOrPrint, OK } from './command.js';

/** As identity providers call them. */
const KINDS: Readonly<Record<keyof RegisteredUris, string>> = {
  redirect: 'redirect URI',
  postLogoutRedirect: 'post-logout redirect URI',
  backChannelLogout: 'back-channel logout URI',
  frontChannelLogout: 'front-channel logout URI',
};
const WIDTH = Math.max(...Object.values(KINDS).map((kind) => kind.length));

export async function checkConfig(io: Io): Promise<number> {
  const loaded = await loadOrPrint(io);
  if (loaded === null) return FAILED;
  const { config, path, authentik, warnings } = loaded;
  for (const warning of warnings) io.stderr(`warning: ${warning}\n`);
  const source = path === null ? 'environment' : basename(path);
  const providers = `${counted(config.providers.length, 'provider')}${authentik ? ' and those of authentik' : ''}`;
  io.stdout(`${source}: ok, ${providers}, store ${config.store.kind}\n`);
  for (const provider of config.providers) io.stdout(toRegister(provider));
  return OK;
}

function toRegister(provider: ProviderConfig): string {
  const { name, oidc } = provider;
  const uris = registeredUris(provider);
  const rows = (Object.keys(KINDS) as (keyof RegisteredUris)[]).map(
    (kind) => `  ${KINDS[kind].padEnd(WIDTH)}  ${uris[kind]}\n`,
  );
  return `\n${name}: register for the client ${oidc.client_id} at ${oidc.issuer}\n${rows.join('')}`;
}
