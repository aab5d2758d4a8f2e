// The HTTPS listener of a worker and its certificates, which change while it runs. Everything that the rest of the room knows
// of certificates in a worker is `startHttps`.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Application } from '../application/application.js';
import { createServer, type Server, type ServerOptions, type TlsFiles } from '../http/server.js';
import { explain } from '../infra/errors.js';
import { listenOn } from './ports.js';

export interface HttpsOptions {
  readonly server: ServerOptions;
  /** Of the configuration. */
  readonly address: string;
  /** For names without a certificate of their own. */
  readonly selfSigned: TlsFiles;
  /** Called at the start for each certificate that cannot be read. */
  readonly badCertificate: (host: string, error: unknown) => void;
}

export interface Https {
  /** Resolves with null, or with why the certificates stay as they were. */
  apply(applications: readonly Application[]): Promise<string | null>;
  drain(graceMs: number): Promise<void>;
}

type ByName = ReadonlyMap<string, TlsFiles>;

/**
 * Rejects when it cannot listen. A name whose files cannot be read is left out and reported: a worker that replaces another must
 * come up whatever has become of them since the configuration was read.
 */
export async function startHttps(options: HttpsOptions, applications: readonly Application[]): Promise<Https> {
  const readable = new Map<string, TlsFiles>();
  /** A hash of each name's certificate and key. */
  let versions = new Map<string, string>();
  for (const [name, files] of certificatesOf(applications)) {
    try {
      versions.set(name, versionOf(files));
      readable.set(name, files);
    } catch (error) {
      options.badCertificate(name, error);
    }
  }
  let server = await listen(readable);
  /** Changes come one after the other. */
  let last: Promise<unknown> = Promise.resolve();

  async function listen(byName: ByName): Promise<Server> {
    const made = createServer(options.server, { fallback: options.selfSigned, byName });
    await listenOn(made, 'listen.https', options.address);
    return made;
  }

  /**
   * A new name is added to the listener that runs; when a certificate has changed or gone, a successor takes over the port, and
   * connections that wait to be accepted at that moment are reset.
   */
  async function change(byName: ByName): Promise<void> {
    const wanted = new Map([...byName].map(([name, files]) => [name, versionOf(files)]));
    if ([...versions].every(([name, version]) => wanted.get(name) === version)) {
      for (const [name, files] of byName) if (!versions.has(name)) server.addCertificate(name, files);
    } else {
      const successor = await listen(byName);
      server.retire();
      server = successor;
    }
    versions = wanted;
  }

  return {
    apply(current) {
      const byName = certificatesOf(current);
      const applied = last
        .then(() => change(byName))
        .then(
          () => null,
          (error: unknown) => `certificates not changed: ${explain(error)}`,
        );
      last = applied;
      return applied;
    },
    drain: (graceMs) => server.drain(graceMs),
  };
}

function certificatesOf(applications: readonly Application[]): ByName {
  return new Map(applications.flatMap(({ hostname, config: { tls } }) => (tls === undefined ? [] : [[hostname, tls]])));
}

/** A renewed certificate often has the same file name, so the content decides. */
function versionOf({ cert, key }: TlsFiles): string {
  const hash = createHash('sha256');
  for (const part of [readFileSync(cert), readFileSync(key)]) hash.update(part).update('\0');
  return hash.digest('hex');
}
