// The certificate of the HTTPS listener until an application has one of its own. uWebSockets.js reads files, so it is written
// into a private directory that is removed at exit.
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { generate } from 'selfsigned';
import type { Config } from '../config/schema.js';
import type { TlsFiles } from '../http/server.js';
import { makePrivateDirectory, usualParents } from '../infra/private-directory.js';

export interface SelfSigned {
  readonly paths: TlsFiles;
  /** Writes again what something that tidies up temporary directories has taken away. Never throws. */
  restore(): void;
  remove(): void;
}

/** Null when HTTPS is off, or has to be because no directory takes a file: the other listeners serve all the same. */
export async function openSelfSigned(
  { listen, store }: Config,
  log: Logger,
  usual: readonly string[] = usualParents(),
): Promise<SelfSigned | null> {
  if (listen.https === null) return null;
  const parents = [...usual, ...(store.kind === 'embedded' ? [store.path] : [])];
  try {
    return await writeSelfSigned(parents, log);
  } catch (error) {
    log.error(
      { err: error, setting: 'listen.https', tried: parents },
      'HTTPS is off: its certificate can be written nowhere; set TMPDIR to a directory that can be written',
    );
    return null;
  }
}

async function writeSelfSigned(parents: readonly string[], log: Logger): Promise<SelfSigned> {
  const directory = makePrivateDirectory('akprox-tls-', parents);
  const pems = await generate([{ name: 'commonName', value: 'akprox self-signed' }], { keyType: 'ec', curve: 'P-256' });
  const paths = { key: join(directory, 'key.pem'), cert: join(directory, 'cert.pem') };
  const put = (): void => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeFileSync(paths.key, pems.private, { mode: 0o600 });
    writeFileSync(paths.cert, pems.cert, { mode: 0o600 });
  };
  put();
  const restore = (): void => {
    try {
      if (!existsSync(paths.key) || !existsSync(paths.cert)) put();
    } catch (error) {
      log.error({ err: error }, 'the self-signed certificate is gone and cannot be written again');
    }
  };
  return { paths, restore, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
