// The compat listener: the same routes over node:http, for proxies that speak HTTP/1.0 (stock nginx up to 1.29.6), which
// uWebSockets.js refuses. Slower, and only started when `listen.compat` asks for it.
import http from 'node:http';
import { blockHeaders } from '../application/identity.js';
import { LOGOUT_BODY_LIMIT } from './backchannel-logout.js';
import { check } from './check.js';
import { checkSlowly } from './check-slow.js';
import { type Allow, render } from './decision.js';
import type { Dialect } from './dialects.js';
import { type HeaderSource, json, type Reply, Snapshot } from './exchange.js';
import type { HandlerOptions } from './handlers.js';
import { answering, type NodeAnswer } from './node-answer.js';
import type { RequestBody } from './request-body.js';
import { checkDialect, route } from './router.js';

export interface CompatOptions extends HandlerOptions {
  readonly maxHeaderBytes: number;
  readonly onError: (error: unknown) => void;
}

export function createCompatServer(options: CompatOptions): http.Server {
  const server = http.createServer(
    { maxHeaderSize: options.maxHeaderBytes, keepAliveTimeout: 120_000 },
    answering(LOGOUT_BODY_LIMIT, (req, body) => answer(options, req, body), options.onError),
  );
  server.maxHeadersCount = MOST_HEADERS;
  return server;
}

const MOST_HEADERS = 200;

/** Node.js reads no header behind that many and says nothing: among them may be the second of one that must not come twice. */
const TOO_MANY_HEADERS: Reply = json(431, {
  error: 'too_many_headers',
  message: `a request may have at most ${MOST_HEADERS - 1} headers`,
});

async function answer(options: CompatOptions, req: http.IncomingMessage, body: RequestBody): Promise<NodeAnswer> {
  if (req.rawHeaders.length >= 2 * MOST_HEADERS) return replied(TOO_MANY_HEADERS);
  const source = headerSource(req);
  const dialect = checkDialect(source.getUrl(), source.getQuery() ?? '');
  if (dialect === null) {
    return replied(await route(options.context(), Snapshot.of(source, peerOf(req)), () => body.text()));
  }
  const context = options.context();
  // This listener is slow by itself: every check is timed, cached or not.
  const started = options.timing.start();
  const found = check(context, dialect, source);
  const done = options.timing.timed(found.application?.host ?? null, dialect.method(source), started);
  const decision =
    found.kind === 'allow' ? found : await checkSlowly(context, dialect, source, () => peerOf(req), found);
  done();
  if (context.logChecks !== 'none') options.logCheck(dialect, Snapshot.of(source, peerOf(req)), decision);
  return decision.kind === 'allow' ? allowed(decision, dialect) : replied(render(decision, dialect));
}

function allowed({ block, application }: Allow, dialect: Dialect): NodeAnswer {
  const headers = blockHeaders(block).flat();
  if (dialect.removeHeader !== '' && application.headersToRemove !== '') {
    headers.push(dialect.removeHeader, application.headersToRemove);
  }
  return { status: 200, headers, body: '' };
}

function replied({ status, headers, body }: Reply): NodeAnswer {
  return { status, headers: headers.flat(), body };
}

function headerSource(req: http.IncomingMessage): HeaderSource {
  const target = req.url ?? '/';
  const mark = target.indexOf('?');
  const getHeader = (name: string): string => {
    for (let i = 0; i < req.rawHeaders.length; i += 2)
      if (req.rawHeaders[i]?.toLowerCase() === name) return req.rawHeaders[i + 1] ?? '';
    return '';
  };
  return {
    get: ({ text }) => getHeader(text),
    getHeader,
    forEach(visit) {
      for (let i = 0; i < req.rawHeaders.length; i += 2)
        visit(req.rawHeaders[i]?.toLowerCase() ?? '', req.rawHeaders[i + 1] ?? '');
    },
    getMethod: () => req.method ?? 'GET',
    getUrl: () => (mark === -1 ? target : target.slice(0, mark)),
    getQuery: () => (mark === -1 ? '' : target.slice(mark + 1)),
  };
}

function peerOf(req: http.IncomingMessage): string {
  return req.socket.remoteAddress ?? '';
}
