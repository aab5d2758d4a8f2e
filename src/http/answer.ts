// The one way out of a uWebSockets.js listener. Whatever is asked and however, a request gets one answer and its connection stays
// in step or closes. What must be right for that, each of it seen to go wrong:
//   - a handler that neither answers nor sets onAborted aborts the process, one that throws answers nothing: `guarded`;
//   - `endWithoutBody(n)` with n > 0 does not count as an answer, and without a length but with `closeConnection` it writes a
//     garbage number: HEAD and 204 write their length themselves, or none, and never ask for the connection to be closed;
//   - a connection that closes while a body is on its way is reset, and the answer may be lost: `PendingAnswer` waits;
//   - a Content-Length whose body never comes (stock nginx sends that) would eat the next request: that connection is closed;
//   - a request that comes while another is pending closes the connection, and what is corked is lost: so what can be answered at
//     once is, and an answer in front of a body is written only when all that has arrived is read;
//   - `res` is dead after its end or after an abort, and after an await every write belongs into `cork`.
import { AkproxError } from '../infra/errors.js';
import { INTERNAL, NO_STORE, type Reply } from './exchange.js';
import { BODY, CLOSE, type Framing, HEAD, UNREAD } from './framing.js';
import { PendingAnswer, type RawResponse, type Writer } from './pending-answer.js';

export interface AnswerOptions {
  readonly onError: (error: unknown) => void;
  /** Unix milliseconds. */
  readonly now: () => number;
  /** Called when the last pending answer has ended. */
  readonly onIdle: () => void;
}

type Stage = number;
const UNANSWERED: Stage = 0;
const WRITING: Stage = 1;
/** Answered, or in the hands of a `PendingAnswer`. */
const SETTLED: Stage = 2;

export class Answers {
  private readonly options: AnswerOptions;
  /** Requests that have no answer yet, or whose connection waits to be closed. */
  pending = 0;
  /** Of the request whose answer is due now: everything up to its last byte is synchronous. */
  private stage: Stage = SETTLED;

  constructor(options: AnswerOptions) {
    this.options = options;
  }

  /** A handler whose requests are answered, or in the hands of a `PendingAnswer`, whatever happens in it. HOT PATH. */
  guarded<Res extends RawResponse, Req>(
    handler: (res: Res, req: Req) => void,
    framing: (req: Req) => Framing,
  ): (res: Res, req: Req) => void {
    return (res, req) => {
      this.stage = UNANSWERED;
      try {
        handler(res, req);
        if (this.stage === SETTLED) return;
        this.options.onError(new AkproxError('internal', 'a handler ended without an answer'));
      } catch (error) {
        this.options.onError(error);
      }
      this.rescue(res, () => framing(req));
    };
  }

  /** An answer has failed: 500 where nothing is written yet, the end of the connection where a part of it is. */
  private rescue(res: RawResponse, framing: () => Framing): void {
    if (this.stage === SETTLED) return;
    try {
      if (this.stage === UNANSWERED) this.reply(res, INTERNAL, framing());
    } catch (error) {
      this.options.onError(error);
    }
    if (this.stage !== SETTLED) res.close();
    this.stage = SETTLED;
  }

  /** For a request whose work has failed. */
  fail(res: RawResponse, answer: PendingAnswer, error: unknown): void {
    this.options.onError(error);
    answer.answer((framing) => this.reply(res, INTERNAL, framing));
  }

  /** Answers at once, or as soon as it is known whether the body has come. */
  reply(res: RawResponse, reply: Reply, framing: Framing): void {
    if ((framing & BODY) !== 0) this.later(res, framing, 0).answer((final) => this.reply(res, reply, final));
    else {
      const [first = NO_STORE, ...rest] = reply.headers;
      this.write(res, reply.status, first[0], fieldLines(first[1], rest), '', '', reply.body, framing);
    }
  }

  /** Takes the request over: it may be answered after its handler. `keep`: largest body that is kept, in bytes. */
  later(res: RawResponse, framing: Framing, keep: number): PendingAnswer {
    this.pending += 1;
    const answer = new PendingAnswer(res, framing, keep, {
      write: (writer, final) => this.writeLater(res, writer, final),
      ended: () => {
        this.pending -= 1;
        if (this.pending === 0) this.options.onIdle();
      },
    });
    this.stage = SETTLED;
    return answer;
  }

  private writeLater(res: RawResponse, writer: Writer, framing: Framing): void {
    res.cork(() => {
      this.stage = UNANSWERED;
      try {
        writer(framing);
      } catch (error) {
        this.options.onError(error);
      }
      this.rescue(res, () => framing);
    });
  }

  /**
   * THE ONE PLACE that ends a response. `fields`: the value of the header `name`, and further lines behind it; `extra`: the value
   * of one more header, '' for none. Everything is rendered before, so nothing in here can fail half-way.
   */
  write(
    res: RawResponse,
    status: number,
    name: string | ArrayBuffer,
    fields: string | ArrayBuffer,
    extraName: string,
    extra: string,
    body: string,
    framing: Framing,
  ): void {
    this.stage = WRITING;
    // uWebSockets.js writes 200 by itself.
    if (status !== 200) res.writeStatus(STATUS_LINES[status] ?? String(status));
    res.writeHeader(name, fields);
    if (extra !== '') res.writeHeader(extraName, extra);
    if ((framing & UNREAD) !== 0) {
      res.writeHeader('Date', lastLines(new Date(this.options.now()), status, body, (framing & HEAD) !== 0));
    } else if (status === 204) res.endWithoutBody();
    else if (body === '') res.endWithoutBody(0, (framing & CLOSE) !== 0);
    else if ((framing & HEAD) !== 0) {
      res.writeHeader('Content-Length', String(Buffer.byteLength(body)));
      res.endWithoutBody();
    } else res.end(body, (framing & CLOSE) !== 0);
    this.stage = SETTLED;
  }
}

/**
 * The end of an answer whose response stays open, because uWebSockets.js closes no connection after a while: everything behind
 * the name `Date`, body included. uWebSockets.js writes a line end behind every header, which ends the head of an answer without a
 * body, and is two bytes more of white space for one with a body.
 */
function lastLines(date: Date, status: number, body: string, head: boolean): string {
  const lines = `${date.toUTCString()}\r\nConnection: close\r\n`;
  if (status === 204) return lines;
  if (body === '') return `${lines}Content-Length: 0\r\n`;
  const length = `${lines}Content-Length: ${Buffer.byteLength(body) + 2}\r\n`;
  return head ? length : `${length}\r\n${body}`;
}

/**
 * All headers in one write, behind the name of the first: response splitting on purpose, as in application/identity.ts. So no
 * part may bring a control character of its own; what does is answered with 500.
 */
function fieldLines(first: string, rest: Reply['headers']): string {
  let lines = uncontrolled(first);
  for (const [name, value] of rest) lines += `\r\n${uncontrolled(`${name}: ${value}`)}`;
  return lines;
}

/** `text`, which has no control character. */
export function uncontrolled(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\x00-\x1f\x7f]/.test(text)) throw new AkproxError('internal', 'a header of an answer has a control character');
  return text;
}

const STATUS_LINES: Readonly<Record<number, string>> = {
  200: '200 OK',
  204: '204 No Content',
  302: '302 Found',
  400: '400 Bad Request',
  401: '401 Unauthorized',
  403: '403 Forbidden',
  404: '404 Not Found',
  405: '405 Method Not Allowed',
  413: '413 Content Too Large',
  500: '500 Internal Server Error',
  502: '502 Bad Gateway',
  503: '503 Service Unavailable',
};
