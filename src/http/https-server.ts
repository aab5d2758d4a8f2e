// The HTTPS listener: TLS, and behind it HTTP/2 or HTTP/1.1, as the client and ALPN agree.
import { createSecureServer, type Http2SecureServer } from 'node:http2';
import type { SecureContext } from 'node:tls';
import { systemTimers } from '../infra/timers.js';
import { HEAD_MS, http1Bounds, http1Listener, type NodeListenerOptions } from './http1-listener.js';
import { Http2Listener } from './http2-listener.js';
import { Http2Sessions, MOST_STREAMS_AT_FIRST } from './http2-sessions.js';
import { InFlight } from './in-flight.js';

export interface HttpsServerOptions extends NodeListenerOptions {
  /** For clients that name nobody, or somebody without a certificate of their own; PEM. */
  readonly fallback: { readonly cert: string; readonly key: string };
  /** The certificate of a name; undefined: the fallback. Asked at each handshake. */
  readonly contextOf: (servername: string) => SecureContext | undefined;
}

export interface HttpsServer {
  readonly server: Http2SecureServer;
  /** Stops accepting, answers what is in flight and closes; resolves when nothing is left. */
  drain(): Promise<void>;
}

export function createHttpsServer(options: HttpsServerOptions): HttpsServer {
  const { maxHeaderBytes, contextOf, fallback } = options;
  const inFlight = new InFlight();
  const sessions = new Http2Sessions({ timers: systemTimers, random: Math.random });
  const server = createSecureServer({
    ...fallback,
    allowHTTP1: true,
    SNICallback: (servername, done) => done(null, contextOf(servername)),
    handshakeTimeout: HEAD_MS,
    settings: { maxConcurrentStreams: MOST_STREAMS_AT_FIRST, maxHeaderListSize: maxHeaderBytes, enablePush: false },
    // HTTP/2 cuts a Cookie header into as many as it has cookies; each counts for 32 bytes more than it has (RFC 9113 §6.5.2).
    maxHeaderListPairs: Math.ceil(maxHeaderBytes / 33),
    // MiB: of all that a connection makes us keep.
    maxSessionMemory: 4,
    maxSessionInvalidFrames: 100,
  });
  // What http.Server would have set for HTTP/1.1 connections.
  Object.assign(server, http1Bounds(maxHeaderBytes), { requireHostHeader: true, connectionsCheckingInterval: HEAD_MS });
  server.on('request', http1Listener(options, inFlight));
  // With a listener of `request` node:http2 hands it every stream of HTTP/2 too, which have a listener of their own.
  server.removeAllListeners('stream');
  const http2 = new Http2Listener(options, sessions);
  server.on('session', (session) => http2.onSession(session));
  return {
    server,
    async drain() {
      server.close();
      await Promise.all([sessions.drain(), inFlight.drain()]);
    },
  };
}
