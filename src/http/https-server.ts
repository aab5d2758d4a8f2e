// The HTTPS listener: TLS, and behind it HTTP/2 or HTTP/1.1, as the client and ALPN agree.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { SecureContext } from 'node:tls';
import { systemTimers } from '../infra/timers.js';
import { HEAD_MS, http1Bounds, http1Listener, type NodeListenerOptions } from './http1-listener.js';
import { Http2Listener } from './http2-listener.js';
import { Http2Sessions, MOST_STREAMS_AT_FIRST } from './http2-sessions.js';
import { IdleConnections } from './idle-connections.js';
import { InFlight } from './in-flight.js';
import { type Http1Server, SETTLE_MS, stopHttp1 } from './node-drain.js';

export interface HttpsServerOptions extends NodeListenerOptions {
  /** For clients that name nobody, or somebody without a certificate of their own; PEM. */
  readonly fallback: { readonly cert: string; readonly key: string };
  /** The certificate of a name; undefined: the fallback. Asked at each handshake. */
  readonly contextOf: (servername: string) => SecureContext | undefined;
  /** Connections of HTTP/1.1 that are kept for their next request. */
  readonly mostIdle?: number;
}

export interface HttpsServer {
  readonly server: Http2SecureServer;
  /**
   * Stops accepting, answers what is in flight and closes; resolves when nothing is left. HTTP/1.1 connections without a request stay
   * open for `idleMs`.
   */
  drain(idleMs: number): Promise<void>;
}

/** As many as of HTTP/2. */
const MOST_IDLE = 1_024;
/** In bytes: nghttp2 ends a connection on which a head has more than 8 CONTINUATION frames of 16 KiB. */
const MOST_HEAD = 131_072;

export function createHttpsServer(options: HttpsServerOptions): HttpsServer {
  const { maxHeaderBytes, contextOf, fallback } = options;
  const inFlight = new InFlight();
  const sessions = new Http2Sessions({ timers: systemTimers, random: Math.random });
  const server = createSecureServer({
    ...fallback,
    allowHTTP1: true,
    SNICallback: (servername, done) => done(null, contextOf(servername)),
    handshakeTimeout: HEAD_MS,
    settings: {
      maxConcurrentStreams: MOST_STREAMS_AT_FIRST,
      maxHeaderListSize: Math.min(maxHeaderBytes, MOST_HEAD),
      enablePush: false,
    },
    // HTTP/2 cuts a Cookie header into as many as it has cookies; each counts for 32 bytes more than it has (RFC 9113 §6.5.2).
    maxHeaderListPairs: Math.ceil(maxHeaderBytes / 33),
    // MiB: of all that a connection makes us keep.
    maxSessionMemory: 4,
    // Over the life of a connection, which is a proxy's and carries many people's checks: one of them must not be able to end it with
    // requests that are malformed, or too large. What a client does on purpose is bounded by http2-sessions.ts.
    maxSessionInvalidFrames: 100_000,
    maxSessionRejectedStreams: 100_000,
  });
  // What http.Server would have set for HTTP/1.1 connections.
  Object.assign(server, http1Bounds(maxHeaderBytes), { requireHostHeader: true, connectionsCheckingInterval: HEAD_MS });
  const answer = http1Listener(options, inFlight);
  const idle = new IdleConnections(options.mostIdle ?? MOST_IDLE);
  server.on('request', (req: IncomingMessage, res: ServerResponse<IncomingMessage> & { req: IncomingMessage }) => {
    const { socket } = req;
    idle.begin(socket);
    res.once('close', () => idle.end(socket));
    answer(req, res);
  });
  // With a listener of `request` node:http2 hands it every stream of HTTP/2 too, which have a listener of their own.
  server.removeAllListeners('stream');
  const http2 = new Http2Listener(options, sessions);
  server.on('session', (session) => http2.onSession(session));
  return {
    server,
    async drain(idleMs) {
      const http1 = stopHttp1(server as HttpsServer['server'] & Http1Server, inFlight, idleMs);
      if (idleMs > 0) await new Promise<void>((resolve) => systemTimers.after(SETTLE_MS, resolve));
      await Promise.all([sessions.drain(), http1.then(() => inFlight.drain())]);
    },
  };
}
