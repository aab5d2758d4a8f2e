// The compat listener: the same routes over node:http, for proxies that speak HTTP/1.0 (stock nginx up to 1.29.6), which
// uWebSockets.js refuses. Slower, and only started when `listen.compat` asks for it.
import http from 'node:http';
import { blockHeaders } from '../provider/identity.js';
import { LOGOUT_BODY_LIMIT } from './backchannel-logout.js';
import { check, checkSlowly, type Decision, render } from './check.js';
import type { CheckTiming } from './check-timing.js';
import type { Dialect } from './dialects.js';
import { type HeaderSource, json, type Reply, Snapshot } from './exchange.js';
import { answerStep, checkDialect, type OutpostContext } from './outpost.js';

export interface CompatOptions {
  readonly context: () => OutpostContext;
  readonly maxHeaderBytes: number;
  readonly timing: CheckTiming;
  readonly onError: (error: unknown) => void;
}

export function createCompatServer(options: CompatOptions): http.Server {
  const server = http.createServer({ maxHeaderSize: options.maxHeaderBytes, keepAliveTimeout: 120_000 }, (req, res) => {
    answer(options, req, res).catch((error: unknown) => {
      options.onError(error);
      if (res.headersSent) res.destroy();
      else
        writeReply(
          res,
          json(500, { error: 'internal', message: 'the outpost failed to answer; its log says why' }),
          true,
        );
    });
  });
  server.maxHeadersCount = 200;
  return server;
}

async function answer(options: CompatOptions, req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
  const source = headerSource(req);
  const dialect = checkDialect(source.getUrl(), source.getQuery() ?? '');
  if (dialect === null) {
    const reply = await answerStep(options.context(), Snapshot.of(source, peerOf(req)), () =>
      readBody(req, LOGOUT_BODY_LIMIT),
    );
    writeReply(res, reply, !req.complete);
    return;
  }
  const { providers } = options.context();
  // This listener is slow by itself: every check is timed, cached or not.
  const done = options.timing.timed(providers.find(dialect.host(source))?.host ?? null, dialect.method(source));
  const fast = check(options.context(), dialect, source);
  const decision =
    fast.kind === 'allow' ? fast : await checkSlowly(options.context(), dialect, source, () => peerOf(req));
  writeDecision(req, res, dialect, decision);
  done();
}

function writeDecision(
  req: http.IncomingMessage,
  res: http.ServerResponse,
  dialect: Dialect,
  decision: Decision,
): void {
  const length = req.headers['content-length'];
  // A Content-Length whose body never comes would swallow the next request of this connection.
  const close = length !== undefined && length !== '0';
  if (decision.kind !== 'allow') {
    writeReply(res, render(decision, dialect), close);
    return;
  }
  const headers = blockHeaders(decision.block).flat();
  const { notAsserted } = decision.provider;
  if (dialect.removeHeader !== '' && notAsserted !== '') headers.push(dialect.removeHeader, notAsserted);
  res.writeHead(200, [...headers, 'Content-Length', '0', ...(close ? ['Connection', 'close'] : [])]);
  res.end();
}

function writeReply(res: http.ServerResponse, reply: Reply, close: boolean): void {
  const headers = reply.headers.flat();
  const body = Buffer.from(reply.body, 'utf8');
  const length = reply.status === 204 ? [] : ['Content-Length', String(body.length)];
  res.writeHead(reply.status, [...headers, ...length, ...(close ? ['Connection', 'close'] : [])]);
  res.end(body);
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

async function readBody(req: http.IncomingMessage, limit: number): Promise<string | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limit) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
