// The HTTPS listener of a worker and its certificates. Workers share its port through the primary, which deals connections to them in
// turn: a proxy has few of HTTP/2, and the kernel would deal them by chance.
import type { Application } from '../application/application.js';
import type { Config } from '../config/schema.js';
import type { NodeListenerOptions } from '../http/http1-listener.js';
import { createHttpsServer } from '../http/https-server.js';
import { explain } from '../infra/errors.js';
import { Certificates } from './certificates.js';
import type { Pem } from './messages.js';
import { listenShared } from './ports.js';

export interface HttpsOptions {
  readonly server: NodeListenerOptions;
  readonly listen: Config['listen'];
  /** Of the configuration. */
  readonly address: string;
  /** What it listens on in place of the address. */
  readonly descriptor: number | undefined;
  /** For names without a certificate of their own, unless there is `listen.tls`. */
  readonly selfSigned: Pem;
  /** Called at the start for each certificate that cannot be used. `name`: whose it is. */
  readonly badCertificate: (name: string, error: unknown) => void;
}

export interface Https {
  /** Null, or which certificates stay as they were, and why. */
  apply(applications: readonly Application[], listen: Config['listen']): string | null;
  drain(idleMs: number): Promise<void>;
}

/**
 * Rejects when it cannot listen. A certificate that cannot be used is left out and reported: a worker that replaces another must
 * come up whatever has become of its files since the configuration was read.
 */
export async function startHttps(options: HttpsOptions, applications: readonly Application[]): Promise<Https> {
  const { listen, address, descriptor, selfSigned, badCertificate } = options;
  const { server, drain } = createHttpsServer({
    ...options.server,
    fallback: selfSigned,
    contextOf: (servername) => certificates.contextOf(servername),
  });
  const certificates = new Certificates({ selfSigned, setFallback: (pem) => server.setSecureContext(pem) });
  certificates.apply(applications, listen.tls, badCertificate);
  await listenShared(server, 'listen.https', address, descriptor);
  server.on('error', options.server.onError);
  return {
    apply(current, { tls }) {
      const problems: string[] = [];
      certificates.apply(current, tls, (name, error) => problems.push(`${name}: ${explain(error)}`));
      return problems.length === 0 ? null : `certificates not changed: ${problems.join('; ')}`;
    },
    drain,
  };
}
