// The same requests over HTTP/2: each is a stream, and a batch is as many at once. What is a matter of framing in HTTP/1.1 has no
// counterpart here, so this lane gets requests that are framed well; what belongs to a connection of HTTP/1.1 is left out of them.
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type OutgoingHttpHeaders,
} from 'node:http2';
import type { Answer } from './answers.js';
import type { Batch } from './batches.js';
import type { BatchEvents, Connection, Transport, TransportOptions } from './transport.js';
import type { Fuzzed } from './wire.js';

export function http2Transport({ url, watchdogMs }: TransportOptions): Transport {
  return { name: 'http2', connection: () => new Http2Connection(url, watchdogMs) };
}

class Http2Connection implements Connection {
  private readonly url: string;
  private readonly watchdogMs: number;
  private session: ClientHttp2Session | null = null;

  constructor(url: string, watchdogMs: number) {
    this.url = url;
    this.watchdogMs = watchdogMs;
  }

  async send({ requests }: Batch, events: BatchEvents): Promise<void> {
    await Promise.all(requests.map((request) => this.ask(request, events)));
  }

  private async ask(request: Fuzzed, events: BatchEvents): Promise<void> {
    this.session ??= this.open(events);
    const { headers, body } = translate(request.bytes);
    let stream: ClientHttp2Stream;
    try {
      stream = this.session.request(headers, { endStream: body === '' });
    } catch {
      // node:http2 sends no such thing.
      events.ended([request], true);
      return;
    }
    if (body !== '') stream.end(body, 'latin1');
    const answer = await answerOf(stream, this.watchdogMs);
    if (answer === 'hang') events.complain(request, 'A HANG: no answer, and the stream did not end');
    // Nobody has looked at it: the connection had fewer places than we knew (RFC 9113 §8.7). As Go does.
    if (answer === 'ended' && NOT_LOOKED_AT.includes(stream.rstCode)) return this.ask(request, events);
    if (typeof answer === 'string') {
      const malformed = stream.rstCode === constants.NGHTTP2_PROTOCOL_ERROR;
      events.ended([request], malformed && (request.framing === 'last' || mayBeMalformed(headers, request.bytes)));
    } else {
      if (request.bodiless && answer.body !== '') events.complain(request, 'a body to HEAD');
      events.answered(request, answer);
    }
  }

  private open(events: BatchEvents): ClientHttp2Session {
    const session = connect(this.url, { rejectUnauthorized: false });
    session.on('error', () => {});
    session.once('close', () => {
      if (this.session !== session) return;
      this.session = null;
      events.complain(undefined, 'a connection of HTTP/2 ended');
    });
    return session;
  }

  close(): void {
    const { session } = this;
    this.session = null;
    session?.destroy();
  }
}

/** The second is Node.js' own, which from 22 on counts streams that have just been reset, as malformed ones are, among those in flight. */
const NOT_LOOKED_AT: readonly (number | undefined)[] = [
  constants.NGHTTP2_REFUSED_STREAM,
  constants.NGHTTP2_ENHANCE_YOUR_CALM,
];

/** nghttp2 refuses control characters in a value, and in `:authority` what belongs to no authority (RFC 9113 §8.3.1); from Node.js 22 on, `@` too. */
function mayBeMalformed(headers: OutgoingHttpHeaders, bytes: string): boolean {
  if (!/^[\w!$%&'()*+,.:;=[\]~-]+$/.test(String(headers[':authority'] ?? headers.host))) return true;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  return /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/.test(bytes);
}

const OF_A_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'te',
  'expect',
  'content-length',
]);

function translate(bytes: string): { readonly headers: OutgoingHttpHeaders; readonly body: string } {
  const end = bytes.indexOf('\r\n\r\n');
  const [line = '', ...fields] = bytes.slice(0, end).split('\r\n');
  const method = line.slice(0, line.indexOf(' '));
  const path = line.slice(method.length + 1, line.lastIndexOf(' '));
  const headers: Record<string, string[]> = {};
  for (const field of fields) {
    const colon = field.indexOf(':');
    const name = field.slice(0, colon).toLowerCase();
    if (OF_A_CONNECTION.has(name)) continue;
    headers[name] = [...(headers[name] ?? []), field.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '')];
  }
  const { host = [], ...rest } = headers;
  const [authority, ...others] = host;
  const hosts = others.length > 0 ? { host: others[0] } : {};
  return {
    headers: {
      ':method': method,
      ':scheme': 'https',
      ':path': path,
      ...(authority !== undefined && { ':authority': authority }),
      ...hosts,
      ...rest,
    } as OutgoingHttpHeaders,
    body: bytes.slice(end + 4),
  };
}

/** 'hang', or 'ended' when the stream ended without an answer. */
function answerOf(stream: ClientHttp2Stream, watchdogMs: number): Promise<Answer | 'hang' | 'ended'> {
  return new Promise((resolve) => {
    let head = '';
    let status = 0;
    let body = '';
    stream.setTimeout(watchdogMs, () => {
      resolve('hang');
      stream.destroy();
    });
    stream.on('error', () => {});
    stream.setEncoding('latin1');
    stream.on('data', (chunk: string) => {
      body += chunk;
    });
    const onResponse = (_: unknown, __: number, raw: readonly string[]): void => {
      status = Number(raw[1]);
      head = `HTTP/1.1 ${status} `;
      for (let i = 2; i < raw.length; i += 2) head += `\r\n${raw[i]}: ${raw[i + 1]}`;
    };
    stream.on('response', onResponse as () => void);
    stream.on('close', () => {
      resolve(head === '' ? 'ended' : { status, head, body, closes: false, refusal: false });
    });
  });
}
