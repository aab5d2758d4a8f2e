// The one way out of a listener on node:http, as answer.ts is for uWebSockets.js. node:http knows how to frame an answer, but it
// closes a connection while a body is on its way, and then the kernel resets it: here the answer goes out at once and in full, and
// only the end of the response, which is what closes, waits for the body.
import type http from 'node:http';
import { INTERNAL } from './exchange.js';
import type { InFlight } from './in-flight.js';
import { LINGER, RequestBody } from './request-body.js';

export interface NodeAnswer {
  readonly status: number;
  /** Names and values in turn; framing is added here. */
  readonly headers: readonly string[];
  readonly body: string | Buffer;
}

/**
 * A listener whose requests are all answered, also when `work` throws, rejects or brings what cannot be sent. `keep`: largest body that is
 * kept for `work`, in bytes.
 */
export function answering(
  keep: number,
  work: (req: http.IncomingMessage, body: RequestBody) => NodeAnswer | Promise<NodeAnswer>,
  inFlight: InFlight,
  onError: (error: unknown) => void,
): http.RequestListener {
  return (req, res) => {
    inFlight.begin();
    res.once('close', () => inFlight.end());
    // Or `flushHeaders` writes the head as UTF-8, and every byte of a name above ASCII would be encoded once more.
    req.socket.setDefaultEncoding('latin1');
    const body = bodyOf(req, keep);
    const fail = (error: unknown): void => {
      onError(error);
      if (res.headersSent) res.destroy();
      else send(req, res, body, { ...INTERNAL, headers: INTERNAL.headers.flat() }, inFlight);
    };
    const finish = (answer: NodeAnswer): void => {
      try {
        send(req, res, body, answer, inFlight);
      } catch (error) {
        fail(error);
      }
    };
    const answered = (answer: NodeAnswer): void => {
      // Until all that has arrived is read, nobody can say whether the body has come.
      if (body.complete) finish(answer);
      else setImmediate(finish, answer);
    };
    try {
      const answer = work(req, body);
      if (answer instanceof Promise) answer.then(answered, fail);
      else answered(answer);
    } catch (error) {
      fail(error);
    }
  };
}

function bodyOf(req: http.IncomingMessage, keep: number): RequestBody {
  const length = req.headers['content-length'];
  const expected = (length !== undefined && length !== '0') || req.headers['transfer-encoding'] !== undefined;
  const body = new RequestBody(expected, keep, () => req.pause());
  if (!expected) return body;
  req.on('data', (chunk: Buffer) => body.receive(chunk, false));
  req.on('end', () => body.receive(Buffer.alloc(0), true));
  req.on('close', () => body.abandon());
  return body;
}

function send(
  req: http.IncomingMessage,
  res: http.ServerResponse,
  body: RequestBody,
  answer: NodeAnswer,
  { isDraining }: InFlight,
): void {
  // As text: Node.js puts the head of a Buffer that has to wait in front of the `100 Continue` that waits before it, and the body
  // behind that.
  const content = answer.body === '' ? '' : Buffer.from(answer.body).toString('latin1');
  const headers = [...answer.headers];
  if (answer.status !== 204) headers.push('Content-Length', String(content.length));
  if (body.complete) {
    if (isDraining) headers.push('Connection', 'close');
    res.writeHead(answer.status, headers).end(content, 'latin1');
    return;
  }
  res.writeHead(answer.status, [...headers, 'Connection', 'close']);
  res.cork();
  res.flushHeaders();
  if (req.method !== 'HEAD' && content.length > 0) res.write(content, 'latin1');
  res.uncork();
  const timer = setTimeout(() => res.end(), LINGER);
  req.once('end', () => res.end());
  res.once('close', () => clearTimeout(timer));
}
