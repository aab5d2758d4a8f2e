// The listener on uWebSockets.js: binding, routes, the end. node-server.ts takes its place where there is no uWebSockets.js.
import { PREFIXES } from '../application/own-paths.js';
import { AkproxError } from '../infra/errors.js';
import { Answers } from './answer.js';
import { dialectOfQuery } from './dialects.js';
import { Framer } from './framing.js';
import { createHandlers, type HandlerOptions } from './handlers.js';
import { LiveRequest } from './live-request.js';
import { quietTurn } from './quiet-turn.js';
import { CHECK_PATHS } from './router.js';
import { UNIX_PEER } from './trusted-proxies.js';
import * as uWS from './uws.js';

export interface ServerOptions extends HandlerOptions {
  readonly onError: (error: unknown) => void;
}

export interface Server {
  /** On a unix socket, which nobody but its owner may open; whatever is at `path` goes. In place of `listen`. */
  listenUnix(path: string): Promise<void>;
  /** Resolves when the port is bound; rejects with `listen_failed`. `descriptor`: of the primary, in place of the address, where the primary accepts. */
  listen(host: string, port: number, descriptor?: number): Promise<void>;
  /**
   * Stops accepting, answers what is in flight and closes; resolves when nothing is left or `graceMs` is over. Connections without a
   * request stay open for `idleMs`.
   */
  drain(graceMs: number, idleMs: number): Promise<void>;
}

// Switches off the `uWebSockets` header: denials are relayed to browsers. The function is missing in the typings.
(uWS as unknown as { _cfg(option: string): void })._cfg('silent');

export function createServer(options: ServerOptions): Server {
  const app = uWS.App();
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

    async drain(graceMs, idleMs) {
      framer.drain();
      if (idleMs > 0) await quietTurn(() => performance.now());
      if (listening !== null) uWS.us_listen_socket_close(listening);
      listening = null;
      if (idleMs > 0) await new Promise<void>((resolve) => setTimeout(resolve, idleMs));
      if (answers.pending > 0) {
        await new Promise<void>((resolve) => {
          drained = resolve;
          setTimeout(resolve, Math.max(0, graceMs - idleMs)).unref();
        });
      }
      app.close();
    },
  };
}
