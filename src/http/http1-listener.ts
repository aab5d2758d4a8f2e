// The same routes over node:http, for every listener that speaks HTTP/1 by it: compat, HTTPS for those who do not ask for HTTP/2, and
// listen.http where there is no uWebSockets.js.
import type http from 'node:http';
import { blockHeaders } from '../application/identity.js';
import { nodeHttp } from '../infra/node-http.js';
import { LOGOUT_BODY_LIMIT } from './backchannel-logout.js';
import type { Allow } from './decision.js';
import type { Dialect } from './dialects.js';
import { json, type Reply } from './exchange.js';
import type { HandlerOptions } from './handlers.js';
import { Http1Request } from './http1-request.js';
import type { InFlight } from './in-flight.js';
import { answering, type NodeAnswer } from './node-answer.js';
import { isAllow, NodeWork, type Outcome } from './node-work.js';
import type { RequestBody } from './request-body.js';
import { checkDialect } from './router.js';

export interface NodeListenerOptions extends HandlerOptions {
  readonly maxHeaderBytes: number;
  readonly onError: (error: unknown) => void;
}

/** How long a connection is kept for the next request, in milliseconds. Longer than proxies keep theirs: the proxy closes first. */
export const KEEP_ALIVE_MS = 120_000;
/** Of a request's head, in milliseconds. */
export const HEAD_MS = 10_000;

const MOST_HEADERS = 200;

/** What bounds a connection of HTTP/1, for `http.Server` and what takes its place behind TLS. */
export function http1Bounds(maxHeaderBytes: number): Partial<http.Server> & { maxHeaderSize: number } {
  return {
    maxHeaderSize: maxHeaderBytes,
    maxHeadersCount: MOST_HEADERS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: HEAD_MS,
  };
}

/** Node.js reads no header behind that many and says nothing: among them may be the second of one that must not come twice. */
const TOO_MANY_HEADERS: Reply = json(431, {
  error: 'too_many_headers',
  message: `a request may have at most ${MOST_HEADERS - 1} headers`,
});
const HTTP_1_0: Reply = json(505, {
  error: 'http_version_not_supported',
  message: 'listen.http speaks HTTP/1.1 (nginx: proxy_http_version 1.1); listen.compat speaks HTTP/1.0 too',
});

/** In what the listeners differ. */
export interface Http1Traits {
  /** Whether it answers HTTP/1.0 too. */
  readonly takesHttp10: boolean;
  /** Who is at the other end. */
  readonly peerOf: (req: http.IncomingMessage) => string;
}

/** Of a connection that is gone there is no address any more. */
export function tcpPeer(req: http.IncomingMessage): string {
  return req.socket.remoteAddress ?? '';
}

export function createHttp1Server(options: NodeListenerOptions, inFlight: InFlight, traits: Http1Traits): http.Server {
  const bounds = http1Bounds(options.maxHeaderBytes);
  const listener = http1Listener(options, inFlight, traits);
  return Object.assign(nodeHttp.createServer({ ...bounds, connectionsCheckingInterval: HEAD_MS }, listener), bounds);
}

export function http1Listener(
  options: NodeListenerOptions,
  inFlight: InFlight,
  traits: Http1Traits = { takesHttp10: true, peerOf: tcpPeer },
): http.RequestListener {
  const work = new NodeWork(options);
  return answering(LOGOUT_BODY_LIMIT, (req, body) => answer(work, traits, req, body), inFlight, options.onError);
}

/** A promise only when somebody else has to be asked. */
function answer(
  work: NodeWork,
  { takesHttp10, peerOf }: Http1Traits,
  req: http.IncomingMessage,
  body: RequestBody,
): NodeAnswer | Promise<NodeAnswer> {
  if (req.rawHeaders.length >= 2 * MOST_HEADERS) return replied(TOO_MANY_HEADERS);
  if (!takesHttp10 && req.httpVersion === '1.0') return replied(HTTP_1_0);
  const request = new Http1Request(req, body, peerOf);
  const dialect = checkDialect(request.getUrl(), request.getQuery());
  if (dialect === null) return work.step(request).then(replied);
  const outcome = work.check(request, dialect);
  return outcome instanceof Promise ? outcome.then((late) => told(late, dialect)) : told(outcome, dialect);
}

function told(outcome: Outcome, dialect: Dialect): NodeAnswer {
  return isAllow(outcome) ? allowed(outcome, dialect) : replied(outcome);
}

/** Made once for each block: a session has one as long as it is cached. */
const allowedHeaders = new WeakMap<ArrayBuffer, readonly string[]>();

function allowed({ block, application }: Allow, dialect: Dialect): NodeAnswer {
  let headers = allowedHeaders.get(block);
  if (headers === undefined) {
    headers = blockHeaders(block).flat();
    allowedHeaders.set(block, headers);
  }
  if (dialect.removeHeader !== '' && application.headersToRemove !== '') {
    headers = [...headers, dialect.removeHeader, application.headersToRemove];
  }
  return { status: 200, headers, body: '' };
}

function replied({ status, headers, body }: Reply): NodeAnswer {
  return { status, headers: headers.flat(), body };
}
