// The listeners of a worker: HTTP, HTTPS and compat, those that the configuration asks for.
import { once } from 'node:events';
import type http from 'node:http';
import type { Application } from '../application/application.js';
import type { Config } from '../config/schema.js';
import { createCompatServer } from '../http/compat.js';
import { createServer, type Server, type ServerOptions, type TlsFiles } from '../http/server.js';
import { AkproxError } from '../infra/errors.js';
import { hostPortOf } from '../infra/host-port.js';
import { type Https, startHttps } from './https.js';
import { listenOn } from './ports.js';
import { publishSocket, type SocketFile } from './publish-socket.js';

export interface ListenersOptions {
  readonly server: ServerOptions;
  readonly config: Config;
  /** For names without a certificate of their own; null when HTTPS is off. */
  readonly selfSigned: TlsFiles | null;
  /** Where it listens in place of `listen.http`; null when that is no unix socket. */
  readonly socket: SocketFile | null;
  readonly applications: readonly Application[];
  readonly badCertificate: (host: string, error: unknown) => void;
}

export interface Listeners {
  /** Resolves with null, or with why the certificates stay as they were. */
  applyCertificates(applications: readonly Application[]): Promise<string | null>;
  /** Stops accepting; resolves when what is in flight has been answered or `graceMs` is over. */
  drain(graceMs: number): Promise<void>;
}

/** Rejects with `listen_failed` when one of them cannot listen. */
export async function startListeners(options: ListenersOptions): Promise<Listeners> {
  const { server, config, selfSigned, socket, applications, badCertificate } = options;
  const { listen } = config;
  let plain: Server | null = null;
  let https: Https | null = null;
  let compat: http.Server | null = null;
  if (listen.http !== null) {
    plain = createServer(server, null);
    await (socket === null ? listenOn(plain, 'listen.http', listen.http) : publishSocket(plain, socket));
  }
  if (listen.https !== null && selfSigned !== null) {
    https = await startHttps({ server, address: listen.https, selfSigned, badCertificate }, applications);
  }
  if (listen.compat !== null) {
    compat = createCompatServer({ ...server, maxHeaderBytes: config.max_header_bytes });
    await listenCompat(compat, listen.compat);
    compat.on('error', server.onError);
  }
  return {
    applyCertificates: async (current) => (https === null ? null : https.apply(current)),
    async drain(graceMs) {
      compat?.close();
      await Promise.all([plain?.drain(graceMs), https?.drain(graceMs)]);
    },
  };
}

async function listenCompat(server: http.Server, address: string): Promise<void> {
  const { host, port } = hostPortOf(address);
  try {
    await once(server.listen(port, host), 'listening');
  } catch (cause) {
    throw new AkproxError('listen_failed', `listen.compat: cannot listen on ${address}`, cause);
  }
}
