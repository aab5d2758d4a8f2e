// The certificates of a worker's HTTPS listener, which change while it runs: each handshake asks for the one of its name, so a new one
// counts from the next connection on, and those that are open stay open.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Application } from '../application/application.js';
import type { Pem, TlsFiles } from './messages.js';

/** Whose certificate it is: the SNI name of an application, or what can be none. */
type Name = string;
const OWN: Name = 'the setting listen.tls';

interface Certificate {
  /** A renewed certificate often has the same file name, so the content decides. */
  readonly version: string;
  readonly context: SecureContext;
}

export interface CertificatesOptions {
  readonly selfSigned: Pem;
  /** For clients that name nobody, or somebody without a certificate of their own. */
  readonly setFallback: (pem: Pem) => void;
}

export class Certificates {
  private readonly options: CertificatesOptions;
  private readonly byName = new Map<Name, Certificate>();

  constructor(options: CertificatesOptions) {
    this.options = options;
  }

  /** Undefined: the fallback. */
  contextOf(servername: string): SecureContext | undefined {
    return this.byName.get(servername.toLowerCase())?.context;
  }

  /**
   * Takes what is new in the files. What cannot be used is reported under its name, which keeps what it had. `own`: `listen.tls`.
   */
  apply(
    applications: readonly Application[],
    own: TlsFiles | undefined,
    report: (name: string, error: unknown) => void,
  ): void {
    const wanted = certificatesOf(applications, own);
    for (const name of this.byName.keys()) {
      if (wanted.has(name)) continue;
      this.byName.delete(name);
      if (name === OWN) this.options.setFallback(this.options.selfSigned);
    }
    for (const [name, files] of wanted) {
      try {
        this.take(name, files);
      } catch (error) {
        report(name, error);
      }
    }
  }

  private take(name: Name, files: TlsFiles): void {
    const pem = { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') };
    const version = createHash('sha256').update(pem.cert).update('\0').update(pem.key).digest('hex');
    if (this.byName.get(name)?.version === version) return;
    const certificate = { version, context: createSecureContext(pem) };
    if (name === OWN) this.options.setFallback(pem);
    this.byName.set(name, certificate);
  }
}

function certificatesOf(applications: readonly Application[], own: TlsFiles | undefined): Map<Name, TlsFiles> {
  const byName = new Map<Name, TlsFiles>();
  for (const { hostname, config } of applications) if (config.tls !== undefined) byName.set(hostname, config.tls);
  if (own !== undefined) byName.set(OWN, own);
  return byName;
}
