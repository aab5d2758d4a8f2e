// The certificate of the HTTPS listener until a provider has one of its own. uWebSockets.js reads files, so it is written
// into a private directory that is removed at exit.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import type { TlsPaths } from './messages.js';

export async function writeSelfSigned(): Promise<{ paths: TlsPaths; remove: () => void }> {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-tls-')); // mode 0700
  const pems = await generate([{ name: 'commonName', value: 'akprox self-signed' }], { keyType: 'ec', curve: 'P-256' });
  const paths = { key: join(directory, 'key.pem'), cert: join(directory, 'cert.pem') };
  writeFileSync(paths.key, pems.private, { mode: 0o600 });
  writeFileSync(paths.cert, pems.cert, { mode: 0o600 });
  return { paths, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
