// The listeners on uWebSockets.js, and the only file that imports it: binding, certificates, routes, the end.
import * as uWS from 'uWebSockets.js';
import { PREFIXES } from '../application/own-paths.js';
import { AkproxError } from '../infra/errors.js';
import { Answers } from './answer.js';
import { dialectOfQuery } from './dialects.js';
import { Framer } from './framing.js';
import { createHandlers, type HandlerOptions } from './handlers.js';
import { LiveRequest } from './live-request.js';
import { CHECK_PATHS } from './router.js';
import { UNIX_PEER } from './trusted-proxies.js';

export interface ServerOptions extends HandlerOptions {
  readonly onError: (error: unknown) => void;
}

export interface TlsFiles {
  readonly key: string;
  readonly cert: string;
}

/** Names are only ever added to a server: uWebSockets.js frees what live connections still use when one is taken away. */
export interface Certificates {
  /** For names without one of their own. */
  readonly fallback: TlsFiles;
  /** By SNI name. */
  readonly byName: ReadonlyMap<string, TlsFiles>;
}

export interface Server {
  /** On a unix socket, which nobody but its owner may open; whatever is at `path` goes. In place of `listen`. */
  listenUnix(path: string): Promise<void>;
  /** Resolves when the port is bound; rejects with `listen_failed`. */
  listen(host: string, port: number): Promise<void>;
  /** Serves one more name, from the next connection on. */
  addCertificate(name: string, files: TlsFiles): void;
  /** Stops accepting for good; a successor on the same port has taken over. Connections get their last answer and close. */
  retire(): void;
  /** Stops accepting, answers what is in flight and closes; resolves when nothing is left or `graceMs` is over. */
  drain(graceMs: number): Promise<void>;
}

/** uWebSockets.js closes idle connections after 10 s: whatever is left then has had its last answer. */
const IDLE_TIMEOUT = 12_000;

// Switches off the `uWebSockets` header: denials are relayed to browsers. The function is missing in the typings.
(uWS as unknown as { _cfg(option: string): void })._cfg('silent');

/** `tls` null: plain HTTP. */
export function createServer(options: ServerOptions, tls: Certificates | null): Server {
  const app = tls === null ? uWS.App() : uWS.SSLApp(tlsOptions(tls.fallback));
  let listening: uWS.us_listen_socket | null = null;
  const framer = new Framer(Math.random);
  const live = new LiveRequest();
  let drained: (() => void) | null = null;
  let isUnix = false;
  const answers = new Answers({
    onError: options.onError,
    now: () => options.context().now(),
    onIdle: () => {
      if (framer.isDraining) drained?.();
    },
  });

  const { onCheck, onStep } = createHandlers(options, answers, framer, (res) =>
    // Of a connection that is gone there is no address either.
    isUnix ? UNIX_PEER : Buffer.from(res.getRemoteAddressAsText()).toString('latin1'),
  );

  function guarded(
    handler: (res: uWS.HttpResponse, req: LiveRequest) => void,
  ): (res: uWS.HttpResponse, req: uWS.HttpRequest) => void {
    const safe = answers.guarded(handler, (req: LiveRequest) => framer.of(req));
    return (res, req) => safe(res, live.of(req));
  }

  function addRoutes(): void {
    for (const prefix of PREFIXES) {
      for (const { path, dialect } of CHECK_PATHS) {
        app.any(
          prefix + path,
          dialect === null
            ? guarded((res, req) => onCheck(res, req, dialectOfQuery(req.getQuery())))
            : guarded((res, req) => onCheck(res, req, dialect)),
        );
      }
    }
    app.any('/*', guarded(onStep));
  }

  addRoutes();
  for (const [name, files] of tls?.byName ?? []) addCertificate(name, files);

  function addCertificate(name: string, files: TlsFiles): void {
    app.addServerName(name, tlsOptions(files));
    app.domain(name);
    addRoutes();
  }

  function stopListening(): void {
    framer.drain();
    if (listening !== null) uWS.us_listen_socket_close(listening);
    listening = null;
  }

  return {
    listenUnix(path) {
      isUnix = true;
      return new Promise((resolve, reject) => {
        app.listen_unix((socket: uWS.us_listen_socket | false) => {
          if (!socket) {
            reject(new AkproxError('listen_failed', 'uWebSockets.js cannot make the socket'));
            return;
          }
          listening = socket;
          resolve();
        }, path);
      });
    },

    listen(host, port) {
      return new Promise((resolve, reject) => {
        app.listen(host, port, (socket) => {
          if (!socket) {
            reject(new AkproxError('listen_failed', `cannot listen on ${host}:${port}`));
            return;
          }
          listening = socket;
          resolve();
        });
      });
    },

    addCertificate,

    retire() {
      stopListening();
      setTimeout(() => app.close(), IDLE_TIMEOUT).unref();
    },

    async drain(graceMs) {
      stopListening();
      if (answers.pending > 0) {
        await new Promise<void>((resolve) => {
          drained = resolve;
          setTimeout(resolve, graceMs).unref();
        });
      }
      app.close();
    },
  };
}

function tlsOptions(files: TlsFiles): uWS.AppOptions {
  return { key_file_name: files.key, cert_file_name: files.cert };
}
