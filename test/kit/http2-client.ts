// HTTP/2 over TLS, one connection, read strictly: what an answer has is told as test/kit/wire.ts tells it for HTTP/1.1.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { WireAnswer } from './wire.js';

export interface Http2Question {
  readonly method: string;
  readonly path: string;
  /** `Host` becomes `:authority`. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface Http2Asked {
  readonly stream: ClientHttp2Stream;
  /** Rejects when the stream ends without an answer. */
  readonly answer: Promise<WireAnswer>;
  /** The code with which the stream has ended. */
  readonly closed: Promise<number>;
}

export class Http2Client {
  readonly session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
  }

  static async open(origin: string): Promise<Http2Client> {
    const session = connect(origin, { rejectUnauthorized: false });
    session.on('error', () => {});
    await once(session, 'remoteSettings');
    return new Http2Client(session);
  }

  /** `body` null: more than the head is announced, and does not come yet. */
  ask({ method, path, headers }: Http2Question, body: string | null = ''): Http2Asked {
    const { Host: authority = 'outpost', ...rest } = headers;
    const stream = this.session.request(
      { ':method': method, ':path': path, ':authority': authority, ':scheme': 'https', ...rest },
      { endStream: body === '' },
    );
    if (body !== null && body !== '') stream.end(body);
    const closed = new Promise<number>((resolve) => stream.once('close', () => resolve(stream.rstCode)));
    return { stream, answer: this.answerOf(stream), closed };
  }

  /** Rejects when the stream ends without an answer. `body`: sent first. */
  answerOf(stream: ClientHttp2Stream, body?: string): Promise<WireAnswer> {
    stream.on('error', () => {});
    if (body !== undefined) stream.end(body);
    return new Promise((resolve, reject) => {
      let head: Omit<WireAnswer, 'body'> | null = null;
      let text = '';
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => {
        text += chunk;
      });
      const onResponse = (_: unknown, flags: number, raw: readonly string[]): void => {
        head = headOf(raw);
        if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) resolve({ ...head, body: '' });
      };
      stream.on('response', onResponse as () => void);
      stream.on('end', () => {
        if (head !== null) resolve({ ...head, body: text });
      });
      stream.on('close', () => reject(new Error(`no answer: the stream ended with ${stream.rstCode}`)));
    });
  }

  /**
   * Resolves when the other side has read all that was sent, and has had a moment: until then Node.js from 22 on counts streams that have
   * just ended among those in flight, and may refuse the next ones.
   */
  async caughtUp(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.session.ping((error) => (error === null ? resolve() : reject(error)));
    });
  }

  close(): void {
    this.session.destroy();
  }
}

function headOf(raw: readonly string[]): Omit<WireAnswer, 'body'> {
  const headers: [string, string][] = [];
  let status = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const [name = '', value = ''] = raw.slice(i, i + 2);
    assert.equal(name, name.toLowerCase());
    if (name === ':status') status = Number(value);
    else headers.push([name, value]);
  }
  return { status, headers };
}
