// How requests get to a listener and answers back. HTTP/1.1 over a socket, plain or with TLS; HTTP/2 is http2-transport.ts.
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type Answer, AnswerReader } from './answers.js';
import type { Batch } from './batches.js';
import type { Fuzzed } from './wire.js';

export interface Transport {
  readonly name: string;
  /** Opened when the first batch is sent; opens again by itself after an end. */
  connection(): Connection;
}

export interface Connection {
  /** Resolves when each request of the batch has had its answer, or when the connection has ended. */
  send(batch: Batch, events: BatchEvents): Promise<void>;
  close(): void;
}

export interface BatchEvents {
  answered(request: Fuzzed, answer: Answer): void;
  /** An answer to what stood behind a request that was framed oddly. */
  answeredMore(request: Fuzzed, answer: Answer): void;
  /** The connection ended without an answer to these. `after`: the last answer said so, or some request may have caused it. */
  ended(requests: readonly Fuzzed[], expected: boolean): void;
  complain(request: Fuzzed | undefined, what: string): void;
}

export interface TransportOptions {
  readonly url: string;
  /** No answer and no end for this long is a hang; in milliseconds, and far longer than any answer takes. */
  readonly watchdogMs: number;
}

export function httpTransport(options: TransportOptions): Transport {
  const { protocol, hostname, port } = new URL(options.url);
  const open = (): Socket =>
    protocol === 'https:'
      ? connectTls({ host: hostname, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
      : connectTcp({ host: hostname, port: Number(port), noDelay: true });
  return { name: protocol.slice(0, -1), connection: () => new HttpConnection(open, options.watchdogMs) };
}

class HttpConnection implements Connection {
  private readonly open: () => Socket;
  private readonly watchdogMs: number;
  private socket: Socket | null = null;
  private current: Exchange | null = null;
  private events: BatchEvents | null = null;

  constructor(open: () => Socket, watchdogMs: number) {
    this.open = open;
    this.watchdogMs = watchdogMs;
  }

  send(batch: Batch, events: BatchEvents): Promise<void> {
    return new Promise((resolve) => {
      const fresh = this.socket === null;
      const socket = this.socket ?? this.connect();
      const done = (): void => {
        this.current = null;
        resolve();
      };
      const exchange = new Exchange(batch, events, socket, fresh, done);
      this.current = exchange;
      this.events = events;
      const bytes = Buffer.from(batch.requests.map((request) => request.bytes).join(''), 'latin1');
      const rest = (): void => {
        if (!socket.destroyed) socket.write(bytes.subarray(batch.cut ?? 0));
        exchange.isWritten();
      };
      if (batch.cut !== null) socket.write(bytes.subarray(0, batch.cut), rest);
      else {
        socket.write(bytes);
        exchange.isWritten();
      }
    });
  }

  close(): void {
    this.socket?.destroy();
  }

  private connect(): Socket {
    const socket = this.open();
    this.socket = socket;
    let problem: NodeJS.ErrnoException | null = null;
    socket.setTimeout(this.watchdogMs, () => {
      this.current?.hang();
      socket.destroy();
    });
    socket.on('data', (chunk: Buffer) => {
      if (this.socket !== socket) return;
      if (this.current !== null) this.current.read(chunk);
      else this.events?.complain(undefined, `bytes that nobody asked for: ${JSON.stringify(chunk.toString('latin1'))}`);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      problem = error;
    });
    socket.on('close', () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.current?.end(problem);
    });
    return socket;
  }
}

/** One batch on a connection. */
class Exchange {
  private readonly batch: Batch;
  private readonly events: BatchEvents;
  private readonly socket: Socket;
  private readonly fresh: boolean;
  private readonly done: () => void;
  private readonly reader = new AnswerReader();
  private next = 0;
  private over = false;
  private written = false;
  private ended = false;
  private saidClose = false;
  private readonly last: Fuzzed | undefined;

  constructor(
    batch: Batch,
    events: BatchEvents,
    socket: Socket,
    /** Nothing was sent on the connection before: nobody can have meant to end it. */
    fresh: boolean,
    done: () => void,
  ) {
    this.batch = batch;
    this.events = events;
    this.socket = socket;
    this.fresh = fresh;
    this.done = done;
    this.last = batch.requests.at(-1);
  }

  isWritten(): void {
    this.written = true;
    this.settle();
  }

  private settle(): void {
    if (!this.written || this.over) return;
    const { length } = this.batch.requests;
    // What is not finished gets no answer, so our side ends when the others have had theirs.
    if (this.last?.framing === 'unfinished' && this.next >= length - 1) this.endOurSide();
    if (this.next < length) return;
    if (this.last?.framing === 'plain' && !this.saidClose) this.finish();
    // Whoever framed a request oddly ends the connection; what comes until then is read.
    else this.endOurSide();
  }

  private endOurSide(): void {
    if (this.ended) return;
    this.ended = true;
    this.socket.end();
  }

  read(chunk: Buffer): void {
    this.reader.push(chunk);
    const { requests } = this.batch;
    for (;;) {
      const request = requests[this.next] ?? this.last;
      const answer = this.reader.next(request?.bodiless ?? false);
      if (answer === null) break;
      if (typeof answer === 'string') {
        this.events.complain(request, answer);
        this.socket.destroy();
        return;
      }
      if (request === undefined) break;
      // The parser's refusal of the last one overtakes what others wait for, and they get no answer.
      if (answer.refusal && this.last !== undefined && this.last.framing !== 'plain' && this.next < requests.length) {
        this.events.ended(requests.slice(this.next, -1), true);
        this.events.answered(this.last, answer);
        this.next = requests.length;
      } else if (this.next < requests.length) this.events.answered(request, answer);
      else if (request.framing === 'plain')
        this.events.complain(request, `an answer that nobody asked for: ${answer.head}`);
      else this.events.answeredMore(request, answer);
      this.next += 1;
      if (answer.closes) this.saidClose = true;
    }
    this.settle();
  }

  end(problem: NodeJS.ErrnoException | null): void {
    if (this.over) return;
    const { requests } = this.batch;
    const left = requests.slice(this.next);
    if (problem?.code === 'ECONNREFUSED') this.events.complain(left[0], 'the connection was refused');
    const odd = left.some(({ framing }) => framing !== 'plain') || this.last?.framing !== 'plain';
    if (this.reader.rest !== '' && !odd) this.events.complain(left[0], `an answer was cut off: ${this.reader.rest}`);
    const pipelinedBehindOneThatWaits = requests.length > 1;
    this.events.ended(left, this.ended || this.saidClose || odd || pipelinedBehindOneThatWaits || !this.fresh);
    this.finish();
  }

  hang(): void {
    if (this.over) return;
    const request = this.batch.requests[this.next] ?? this.last;
    this.events.complain(request, 'A HANG: no answer, and the connection did not end');
  }

  private finish(): void {
    this.over = true;
    this.done();
  }
}
