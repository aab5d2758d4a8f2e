// How a listener on a server of Node.js stops with HTTP/1: it accepts nothing more, connections end with their next answer, and those
// without a request end too, at once or after a while.
import type http from 'node:http';
import { Server as NetServer } from 'node:net';
import { systemTimers } from '../infra/timers.js';
import type { InFlight } from './in-flight.js';

/** What http.Server has, and what takes its place behind TLS (missing in the typings). */
export type Http1Server = NetServer & Pick<http.Server, 'closeIdleConnections'>;

/** Of a primary that accepts nothing more, to deal what it has accepted, in milliseconds. */
export const SETTLE_MS = 1_000;

/** `idleMs`: how long connections without a request stay open. */
export async function stopHttp1(server: Http1Server, inFlight: InFlight, idleMs: number): Promise<void> {
  if (idleMs > 0) {
    await after(SETTLE_MS);
    inFlight.isDraining = true;
  }
  const closed = new Promise((resolve) => server.once('close', resolve));
  // Not `server.close()`: it ends idle connections, and from Node.js 24 on those of HTTP/2 without a notice.
  NetServer.prototype.close.call(server);
  if (idleMs > 0) await Promise.race([closed, after(idleMs - SETTLE_MS)]);
  server.closeIdleConnections();
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => systemTimers.after(ms, resolve));
}
