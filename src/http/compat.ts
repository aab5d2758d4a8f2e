// The compat listener: the same routes over node:http, for proxies that speak HTTP/1.0 (stock nginx up to 1.29.6), which
// uWebSockets.js refuses. Slower, and only started when `listen.compat` asks for it.
import http from 'node:http';
import { http1Bounds, http1Listener, type NodeListenerOptions } from './http1-listener.js';
import type { InFlight } from './in-flight.js';

export function createCompatServer(options: NodeListenerOptions, inFlight: InFlight): http.Server {
  const bounds = http1Bounds(options.maxHeaderBytes);
  return Object.assign(http.createServer(bounds, http1Listener(options, inFlight)), bounds);
}
