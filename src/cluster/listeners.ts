// The listeners of a worker: HTTP, HTTPS and compat, those that the configuration asks for.
import type { Application } from '../application/application.js';
import type { Config } from '../config/schema.js';
import { createPlainServer, type Engine, findEngine } from '../http/engine.js';
import type { NodeListenerOptions } from '../http/http1-listener.js';
import { InFlight } from '../http/in-flight.js';
import { stopHttp1 } from '../http/node-drain.js';
import type { Server, ServerOptions } from '../http/server.js';
import { systemTimers } from '../infra/timers.js';
import type { Descriptors } from './handover.js';
import type { Https } from './https.js';
import type { Pem } from './messages.js';
import { listenOn, listenShared } from './ports.js';
import { makeSocket, type SocketFile } from './publish-socket.js';

export interface ListenersOptions {
  readonly server: ServerOptions;
  readonly config: Config;
  /** For names without a certificate of their own; null when HTTPS is off. */
  readonly selfSigned: Pem | null;
  /** Where it listens in place of `listen.http`; null when that is no unix socket. */
  readonly socket: SocketFile | null;
  /** Of the primary: what the listeners on sockets of Node.js listen on in place of their address. */
  readonly descriptors: Descriptors;
  readonly applications: readonly Application[];
  readonly badCertificate: (name: string, error: unknown) => void;
}

export interface Listeners {
  /** What `listen.http` is served by. */
  readonly engine: Engine;
  /** Null, or which certificates stay as they were, and why. */
  applyCertificates(applications: readonly Application[], listen: Config['listen']): string | null;
  /**
   * Stops accepting; resolves when what is in flight has been answered or `graceMs` is over. Connections without a request stay open
   * for `idleMs`.
   */
  drain(graceMs: number, idleMs: number): Promise<void>;
}

/** Rejects with `listen_failed` when one of them cannot listen. */
export async function startListeners(options: ListenersOptions): Promise<Listeners> {
  const { config, selfSigned, descriptors } = options;
  const { listen } = config;
  // Without `listen.http` there is nothing for another one to do.
  const engine = listen.http === null ? 'node:http' : await findEngine();
  const https = selfSigned === null ? null : await startSecure(options, selfSigned);
  const drainCompat =
    listen.compat === null ? null : await startCompat(nodeOptions(options), listen.compat, descriptors.compat);
  const plain = listen.http === null ? null : await startPlain(engine, options, listen.http);
  return {
    engine,
    applyCertificates: (current, next) => https?.apply(current, next) ?? null,
    async drain(graceMs, idleMs) {
      const answered = Promise.all([https?.drain(idleMs), drainCompat?.(idleMs)]);
      const over = new Promise<void>((resolve) => systemTimers.after(graceMs, resolve));
      await Promise.all([plain?.drain(graceMs, idleMs), Promise.race([answered, over])]);
    },
  };
}

function nodeOptions({ server, config }: ListenersOptions): NodeListenerOptions {
  return { ...server, maxHeaderBytes: config.max_header_bytes };
}

/** Null where HTTPS is off: nothing of TLS and HTTP/2 is loaded then. */
async function startSecure(options: ListenersOptions, selfSigned: Pem): Promise<Https | null> {
  const { applications, badCertificate, descriptors } = options;
  const { listen } = options.config;
  if (listen.https === null) return null;
  const { startHttps } = await import('./https.js');
  const server = nodeOptions(options);
  const address = { address: listen.https, descriptor: descriptors.https };
  return startHttps({ server, listen, ...address, selfSigned, badCertificate }, applications);
}

async function startPlain(engine: Engine, options: ListenersOptions, address: string): Promise<Server> {
  const { socket, descriptors } = options;
  const server = await createPlainServer(engine, nodeOptions(options));
  if (socket === null) await listenOn(server, 'listen.http', address, descriptors.http);
  else await makeSocket(server, socket);
  return server;
}

/** The result drains it. */
async function startCompat(
  options: NodeListenerOptions,
  address: string,
  descriptor: number | undefined,
): Promise<(idleMs: number) => Promise<void>> {
  const inFlight = new InFlight();
  const { createCompatServer } = await import('../http/compat.js');
  const server = createCompatServer(options, inFlight);
  await listenShared(server, 'listen.compat', address, descriptor);
  server.on('error', options.onError);
  return async (idleMs) => {
    await stopHttp1(server, inFlight, idleMs);
    await inFlight.drain();
  };
}
