// The HTTPS listener of a worker and its certificates, which change while it runs.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type ServerOptions, type TlsFiles } from '../http/server.js';
import { explain } from '../infra/errors.js';

export interface SecureListenerOptions {
  readonly server: ServerOptions;
  /** For names without a certificate of their own. */
  readonly fallback: TlsFiles;
  readonly listen: (server: Server) => Promise<void>;
}

type ByName = ReadonlyMap<string, TlsFiles>;

export class SecureListener {
  private readonly options: SecureListenerOptions;
  private server: Server;
  private versions: ReadonlyMap<string, string>;
  /** Changes come one after the other. */
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    options: SecureListenerOptions,
    server: Server,
    /** A hash of each name's certificate and key. */
    versions: ReadonlyMap<string, string>,
  ) {
    this.options = options;
    this.server = server;
    this.versions = versions;
  }

  /**
   * Rejects when it cannot listen. A name whose files cannot be read is left out and told: a worker that replaces another must
   * come up whatever has become of them since the configuration was read.
   */
  static async start(
    options: SecureListenerOptions,
    byName: ByName,
    unreadable: (name: string, error: unknown) => void,
  ): Promise<SecureListener> {
    const readable = new Map<string, TlsFiles>();
    const versions = new Map<string, string>();
    for (const [name, files] of byName) {
      try {
        versions.set(name, versionOf(files));
        readable.set(name, files);
      } catch (error) {
        unreadable(name, error);
      }
    }
    const server = createServer(options.server, { fallback: options.fallback, byName: readable });
    await options.listen(server);
    return new SecureListener(options, server, versions);
  }

  /** Resolves with null, or with why everything stays as it was. */
  change(byName: ByName): Promise<string | null> {
    const change = this.last
      .then(() => this.replace(byName))
      .then(
        () => null,
        (error: unknown) => `the certificates stay as they were: ${explain(error)}`,
      );
    this.last = change;
    return change;
  }

  /**
   * A new name is added to the listener that runs; when a certificate has changed or gone, a successor takes over the port, and
   * connections that wait to be accepted at that moment are reset.
   */
  private async replace(byName: ByName): Promise<void> {
    const versions = new Map([...byName].map(([name, files]) => [name, versionOf(files)]));
    if ([...this.versions].every(([name, version]) => versions.get(name) === version)) {
      for (const [name, files] of byName) if (!this.versions.has(name)) this.server.addCertificate(name, files);
    } else {
      const server = createServer(this.options.server, { fallback: this.options.fallback, byName });
      await this.options.listen(server);
      this.server.retire();
      this.server = server;
    }
    this.versions = versions;
  }

  drain(graceMs: number): Promise<void> {
    return this.server.drain(graceMs);
  }
}

/** A renewed certificate often has the same file name, so the content decides. */
function versionOf({ cert, key }: TlsFiles): string {
  const hash = createHash('sha256');
  for (const part of [readFileSync(cert), readFileSync(key)]) hash.update(part).update('\0');
  return hash.digest('hex');
}
