// Certificates from authentik as files, because the HTTPS listener reads files: private ones, in a directory that is gone
// when the daemon is. A changed certificate gets a new name, so that a worker sees that it changed.
import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain } from '../infra/errors.js';
import { makeDirectory } from '../infra/make-directory.js';
import { makePrivateDirectory, usualParents } from '../infra/private-directory.js';
import type { CertificatePair } from './api.js';

export interface CertificateFiles {
  /** Paths, or in plain words why this pair cannot serve HTTPS. */
  write(
    uuid: string,
    pair: CertificatePair,
  ): { readonly cert: string; readonly key: string } | { readonly problem: string };
  remove(): void;
}

export function createCertificateFiles(parents: readonly string[] = usualParents()): CertificateFiles {
  let directory: string | null = null;

  const put = (name: string, pem: string): string => {
    directory ??= makePrivateDirectory('akprox-certificates-', parents);
    const path = join(directory, name);
    // Something that tidies up temporary directories may have been here.
    if (!existsSync(path)) {
      makeDirectory(directory, 0o700);
      writeFileSync(path, pem, { mode: 0o600 });
    }
    return path;
  };

  return {
    write(uuid, pair) {
      const problem = pairProblem(pair);
      if (problem !== null) return { problem };
      const name = createHash('sha256')
        .update(`${uuid}\0${pair.certificate}\0${pair.privateKey}`)
        .digest('hex')
        .slice(0, 32);
      try {
        return { cert: put(`${name}.crt`, pair.certificate), key: put(`${name}.key`, pair.privateKey) };
      } catch (error) {
        return { problem: `it cannot be written (${explain(error)})` };
      }
    },
    remove() {
      if (directory !== null) rmSync(directory, { recursive: true, force: true });
      directory = null;
    },
  };
}

/** Before a worker is told: a listener that cannot load its key must not find out at the handshake. */
function pairProblem({ certificate, privateKey }: CertificatePair): string | null {
  if (privateKey === '') return 'authentik has no private key for it, or does not show it to the outpost';
  try {
    const matches = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey));
    return matches ? null : 'its private key belongs to another certificate';
  } catch (error) {
    return `it is not a PEM certificate with a PEM key (${explain(error)})`;
  }
}
