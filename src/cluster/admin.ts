// The metrics listener of the primary: /metrics, /livez, /readyz and P/ping. It binds its port for itself alone, which is
// how a second daemon on this host is noticed (the workers' ports can be shared: SO_REUSEPORT).
import type http from 'node:http';
import { Server as NetServer } from 'node:net';
import { PING, PREFIXES } from '../application/own-paths.js';
import { InFlight } from '../http/in-flight.js';
import { answering } from '../http/node-answer.js';
import { AkproxError } from '../infra/errors.js';
import { hostPortOf } from '../infra/host-port.js';
import type { GatedLog } from '../infra/log-gate.js';
import { nodeHttp } from '../infra/node-http.js';
import { whyNotListening } from './not-listening.js';

export interface AdminOptions {
  readonly ready: () => { ready: boolean; reason: string };
  /** Why this daemon cannot answer and had better be started anew; null while it can. */
  readonly dead: () => string | null;
  /** Why workers are worse than they should be; empty when they are well. */
  readonly degraded: () => Promise<readonly string[]>;
  readonly metrics: () => Promise<Buffer>;
  readonly log: GatedLog;
}

export interface Admin {
  /** Null when `listen.metrics` is null. */
  readonly address: string | null;
  /** Another daemon is asked from now on. What is asked on connections that there are is answered, and each ends with that. */
  leave(): void;
  close(): void;
}

/** Of the daemon that serves in the place of this one, on a connection that was made before. */
const HANDED_OVER = { ready: true, reason: 'ok' };

/** `descriptor`: what listens on that address already. */
export async function startAdmin(address: string | null, options: AdminOptions, descriptor?: number): Promise<Admin> {
  if (address === null) return { address: null, leave: () => {}, close: () => {} };
  const inFlight = new InFlight();
  let hasLeft = false;
  const server = nodeHttp.createServer(
    answering(
      0,
      async (req) => {
        const { status, type, body } = await answer(req, hasLeft ? { ...options, ready: () => HANDED_OVER } : options);
        return { status, headers: ['Content-Type', type, 'Cache-Control', 'no-store'], body };
      },
      inFlight,
      (error) => options.log.error({ err: error }, 'the metrics listener failed'),
    ),
  );
  const { host, port } = hostPortOf(address);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = whyNotListening(
        cause,
        'the port is taken; if another akprox runs on this host, stop that one, or set another port',
      );
      reject(new AkproxError('listen_failed', `listen.metrics: cannot listen on ${address}: ${why}`, cause));
    });
    if (descriptor === undefined) server.listen(port, host, resolve);
    else server.listen({ fd: descriptor }, resolve);
  });
  const bound = server.address();
  return {
    address: typeof bound === 'object' && bound !== null ? address.replace(/\d+$/, String(bound.port)) : address,
    leave: () => {
      inFlight.isDraining = true;
      hasLeft = true;
      // Not `server.close()`: it may end a connection whose request is on its way.
      NetServer.prototype.close.call(server);
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

async function answer(
  req: http.IncomingMessage,
  options: AdminOptions,
): Promise<{ status: number; type: string; body: string | Buffer }> {
  const text = 'text/plain; charset=utf-8';
  const path = (req.url ?? '/').split('?')[0];
  if (PREFIXES.some((prefix) => path === prefix + PING)) return { status: 204, type: text, body: '' };
  switch (path) {
    case '/livez': {
      const dead = options.dead();
      return { status: dead === null ? 200 : 503, type: text, body: `${dead ?? 'ok'}\n` };
    }
    case '/readyz': {
      const { ready, reason } = options.ready();
      if (!ready) return { status: 503, type: text, body: `${reason}\n` };
      // Degraded is ready: an outage of the store hits every node, and taking all of them away would make it worse.
      const degraded = await options.degraded();
      return {
        status: 200,
        type: text,
        body: degraded.length > 0 ? `degraded: ${[...new Set(degraded)].join('; ')}\n` : `${reason}\n`,
      };
    }
    case '/metrics':
      return {
        status: 200,
        type: 'text/plain; version=0.0.4; charset=utf-8',
        body: await options.metrics(),
      };
    default:
      return { status: 404, type: text, body: 'not found: /metrics, /livez, /readyz\n' };
  }
}
