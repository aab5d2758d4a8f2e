// The one way out of a listener on node:http2, as answer.ts is for uWebSockets.js and node-answer.ts for node:http. HTTP/2 frames an
// answer by itself, and a stream that ends costs its connection nothing. What is left to be right: every stream gets one answer or an
// end, whatever happens; and what is on its way of a body is read, up to a bound, before the stream is given up.
import { constants, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Reply } from './exchange.js';
import { headOfReply } from './http2-headers.js';
import { LINGER, RequestBody } from './request-body.js';

const { NGHTTP2_NO_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_CANCEL } = constants;
const NO_BODY = { endStream: true };
/** How long somebody who wants a body waits for more of it, in milliseconds. */
const BODY_MS = 10_000;
/** How long an answer waits for a body that proxies have, and send, whole; in milliseconds. */
const SOON = 100;

/** HOT PATH. Nothing when the client has given up. */
export function answerHead(stream: ServerHttp2Stream, head: OutgoingHttpHeaders): void {
  if (!stream.closed && !stream.destroyed) stream.respond(head, NO_BODY);
}

export function answerReply(stream: ServerHttp2Stream, reply: Reply): void {
  const head = headOfReply(reply);
  // To HEAD, Node.js has ended it already.
  if (reply.body === '' || stream.writableEnded || stream.closed || stream.destroyed) answerHead(stream, head);
  else {
    stream.respond(head);
    stream.end(reply.body);
  }
}

/** After a failure: `reply` where nothing is written yet, the end of the stream where a part of it is. */
export function answerFailure(stream: ServerHttp2Stream, reply: Reply): void {
  if (stream.headersSent) stream.close(NGHTTP2_INTERNAL_ERROR);
  else answerReply(stream, reply);
}

/** The body that a stream announces. `keep`: largest one that is kept, in bytes. */
export function bodyOf(stream: ServerHttp2Stream, keep: number): RequestBody {
  // RFC 9113 §8.1: after a complete answer, a reset with NO_ERROR says that the rest is not wanted.
  const giveUp = (): void => stream.close(NGHTTP2_NO_ERROR);
  const body = new RequestBody(true, keep, () => {
    if (stream.headersSent) giveUp();
  });
  stream.setTimeout(BODY_MS, () => stream.close(NGHTTP2_CANCEL));
  stream.on('data', (chunk: Buffer) => body.receive(chunk, false));
  stream.on('end', () => body.receive(Buffer.alloc(0), true));
  stream.on('close', () => body.abandon());
  return body;
}

/**
 * Calls `respond` when the body has come, or has not come so fast. A client takes an answered stream for one that is over and sends the
 * next request right behind the last of its body; Node.js from 22 on has both streams in flight then, and refuses what it takes for
 * too many.
 */
export function onceRead(stream: ServerHttp2Stream, body: RequestBody, respond: () => void): void {
  let isDue = true;
  const due = (): void => {
    if (!isDue) return;
    isDue = false;
    clearTimeout(timer);
    if (!stream.destroyed) respond();
  };
  const timer = setTimeout(due, SOON);
  stream.once('end', due);
  stream.once('close', due);
  if (body.complete) due();
}

/** Once there is an answer, the rest of a body is waited for no longer than a connection of HTTP/1.1 would be. */
export function leave(stream: ServerHttp2Stream, body: RequestBody): void {
  if (body.complete || stream.destroyed) return;
  if (body.full) {
    stream.close(NGHTTP2_NO_ERROR);
    return;
  }
  const timer = setTimeout(() => stream.close(NGHTTP2_NO_ERROR), LINGER);
  stream.once('close', () => clearTimeout(timer));
}
