// The same routes over HTTP/2: what happens to a stream.
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import { PREFIXES } from '../application/own-paths.js';
import { LOGOUT_BODY_LIMIT } from './backchannel-logout.js';
import type { Dialect } from './dialects.js';
import { dialectOfQuery } from './dialects.js';
import { INTERNAL, json, type Reply } from './exchange.js';
import type { NodeListenerOptions } from './http1-listener.js';
import { answerFailure, answerHead, answerReply, bodyOf, leave, onceRead } from './http2-answer.js';
import { AllowHeads } from './http2-headers.js';
import { Http2Request } from './http2-request.js';
import type { Http2Connection, Http2Sessions } from './http2-sessions.js';
import { isAllow, NodeWork, type Outcome } from './node-work.js';
import type { RequestBody } from './request-body.js';
import { CHECK_PATHS, checkDialect } from './router.js';

/** `raw`, names and values in turn, is not in the typings of Node.js 20. */
type StreamListener = (
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  flags: number,
  raw: readonly string[],
) => void;

/** `:path` as proxies are told to ask it: most checks need no look at the table of paths. */
const USUAL: ReadonlyMap<string, Dialect> = new Map(
  PREFIXES.flatMap((prefix) =>
    CHECK_PATHS.map(({ path, dialect }) => [prefix + path, dialect ?? dialectOfQuery('')] as const),
  ),
);

/** nghttp2 refuses it too, but only of a client that has acknowledged our SETTINGS. */
const HEAD_TOO_LARGE: Reply = json(431, {
  error: 'head_too_large',
  message: 'the headers of this request have more bytes than max_header_bytes',
});

const CONTRADICTION: Reply = json(400, {
  error: 'request_invalid',
  message: 'host contradicts :authority',
  header: 'host',
});

export class Http2Listener {
  private readonly options: NodeListenerOptions;
  private readonly sessions: Http2Sessions;
  private readonly work: NodeWork;
  private readonly heads = new AllowHeads();
  private readonly live = new Http2Request();

  constructor(options: NodeListenerOptions, sessions: Http2Sessions) {
    this.options = options;
    this.sessions = sessions;
    this.work = new NodeWork(options);
  }

  onSession(session: ServerHttp2Session): void {
    const connection = this.sessions.add(session);
    const onStream: StreamListener = (stream, headers, flags, raw) =>
      this.onStream(connection, stream, headers, flags, raw);
    session.on('stream', onStream as () => void);
  }

  /** HOT PATH: an allowed check of a cached session is answered right here. Whatever happens in it, the stream gets an answer or an end. */
  private onStream(
    connection: Http2Connection,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    flags: number,
    raw: readonly string[],
  ): void {
    // A client that resets its stream; without a listener Node.js would throw.
    stream.on('error', ignore);
    // Reset before we came to it.
    if (stream.destroyed || stream.closed) return;
    if (!connection.use(stream)) return;
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) this.respond(connection, stream, headers, raw, null);
    else {
      const body = bodyOf(stream, LOGOUT_BODY_LIMIT);
      const respond = (): void => this.respond(connection, stream, headers, raw, body);
      if (headers.expect === undefined) onceRead(stream, body, respond);
      else respond();
    }
  }

  private respond(
    connection: Http2Connection,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    raw: readonly string[],
    body: RequestBody | null,
  ): void {
    try {
      const request = this.live.of(headers, raw, connection, body);
      const path = headers[':path'] ?? '';
      const dialect = USUAL.get(path) ?? checkDialect(request.getUrl(), request.getQuery());
      if (request.headLength() > this.options.maxHeaderBytes) answerReply(stream, HEAD_TOO_LARGE);
      else if (request.contradictsItself()) answerReply(stream, CONTRADICTION);
      else if (dialect === null) this.onStep(stream, request, headers, body);
      else {
        const outcome = this.work.check(request, dialect);
        if (outcome instanceof Promise) this.answerLater(stream, outcome, dialect, body);
        else this.answer(stream, outcome, dialect);
      }
    } catch (error) {
      this.fail(stream, error);
    }
    if (body !== null && stream.headersSent) leave(stream, body);
  }

  /** THE ONE PLACE that sends a 2xx for a check over HTTP/2. */
  private answer(stream: ServerHttp2Stream, outcome: Outcome, dialect: Dialect): void {
    if (isAllow(outcome)) answerHead(stream, this.heads.of(outcome, dialect));
    else answerReply(stream, outcome);
  }

  private answerLater(
    stream: ServerHttp2Stream,
    work: Promise<Outcome>,
    dialect: Dialect,
    body: RequestBody | null,
  ): void {
    work
      .then((outcome) => this.answer(stream, outcome, dialect))
      .catch((error: unknown) => this.fail(stream, error))
      .finally(() => body !== null && leave(stream, body));
  }

  private onStep(
    stream: ServerHttp2Stream,
    request: Http2Request,
    headers: IncomingHttpHeaders,
    body: RequestBody | null,
  ): void {
    if (body !== null && headers.expect?.toLowerCase() === '100-continue') stream.additionalHeaders({ ':status': 100 });
    this.work
      .step(request.kept())
      .then((reply) => answerReply(stream, reply))
      .catch((error: unknown) => this.fail(stream, error))
      .finally(() => body !== null && leave(stream, body));
  }

  private fail(stream: ServerHttp2Stream, error: unknown): void {
    this.options.onError(error);
    try {
      answerFailure(stream, INTERNAL);
    } catch (again) {
      this.options.onError(again);
      stream.destroy();
    }
  }
}

function ignore(): void {}
