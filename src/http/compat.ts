// The compat listener: the same routes over node:http, for proxies that speak HTTP/1.0 (stock nginx up to 1.29.6), which
// `listen.http` refuses. Only started when `listen.compat` asks for it.
import type http from 'node:http';
import { createHttp1Server, type NodeListenerOptions, tcpPeer } from './http1-listener.js';
import type { InFlight } from './in-flight.js';

export function createCompatServer(options: NodeListenerOptions, inFlight: InFlight): http.Server {
  return createHttp1Server(options, inFlight, { takesHttp10: true, peerOf: tcpPeer });
}
