// One request of the doctor: nothing is followed, nothing is kept alive, and everything that is read has a limit.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { explain } from '../../infra/errors.js';

/** Headers of a browser that opens a page, and of a script. */
export const NAVIGATION = {
  Accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-Dest': 'document',
  'User-Agent': 'akprox-doctor',
};
export const SCRIPT = { Accept: 'application/json', 'Sec-Fetch-Mode': 'cors', 'User-Agent': 'akprox-doctor' };

export interface Question {
  readonly method?: 'GET' | 'POST';
  /** Written as they stand, so that a client's forgeries can be sent: `X_Auth.Username`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of the host of the URL. */
  readonly host?: string;
  /** The whole URL in the request line, as to a forward proxy. */
  readonly absolute?: boolean;
  readonly body?: string;
  /** Behind the path, in place of the query: latin-1, each character a byte as it is. */
  readonly rawTail?: string;
}

export interface Answered {
  readonly kind: 'answered';
  /** 101: the WebSocket was opened. */
  readonly status: number;
  /** Lower-case name; values in the order they came. */
  header(name: string): readonly string[];
  /** The first 64 KiB. */
  readonly body: string;
}

/** `why`: in plain words, of the network or of TLS. */
export type Answer = Answered | { readonly kind: 'failed'; readonly why: string };

export type Ask = (url: URL, question?: Question) => Promise<Answer>;

export interface ProbeOptions {
  /** Where to connect instead of the host of the URL: behind split DNS, or before DNS has the name. */
  readonly connect: { readonly host: string; readonly port: number } | null;
  /** Takes any certificate. */
  readonly insecure: boolean;
  readonly timeoutMs: number;
}

const MOST_BODY = 65_536;
const MOST_HEAD = 65_536;

/** Never rejects. `connect` counts for http and https alike. */
export function createProbe(options: ProbeOptions): Ask {
  return (url, question = {}) =>
    new Promise((resolve) => {
      const secure = url.protocol === 'https:';
      const name = url.hostname.replace(/^\[|\]$/g, '');
      const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
      // RFC 6761 §6.3: browsers do not ask anybody about these names.
      const address = name.endsWith('.localhost') ? 'localhost' : name;
      const signal = AbortSignal.timeout(options.timeoutMs);
      const req = (secure ? httpsRequest : httpRequest)({
        host: options.connect?.host ?? address,
        port: options.connect?.port ?? port,
        path: (question.absolute ? url.origin : '') + url.pathname + (question.rawTail ?? url.search),
        method: question.method ?? 'GET',
        headers: { Host: question.host ?? url.host, ...question.headers },
        agent: false,
        maxHeaderSize: MOST_HEAD,
        signal,
        ...(secure && { servername: /^[\d.]+$|:/.test(name) ? '' : name, rejectUnauthorized: !options.insecure }),
      });
      const done = (res: IncomingMessage, body: string): void => {
        res.destroy();
        req.destroy();
        resolve({
          kind: 'answered',
          status: res.statusCode ?? 0,
          header: (wanted) => res.rawHeaders.filter((_, i, all) => i % 2 === 1 && all[i - 1]?.toLowerCase() === wanted),
          body,
        });
      };
      req.once('upgrade', (res) => done(res, ''));
      req.once('response', (res) => {
        let body = '';
        res.setEncoding('latin1');
        res.on('data', (text: string) => {
          body += text;
          if (body.length >= MOST_BODY) done(res, body.slice(0, MOST_BODY));
        });
        res.once('end', () => done(res, body));
        res.once('error', () => done(res, body));
      });
      req.on('error', (error) => {
        const why = signal.aborted ? `no answer within ${options.timeoutMs / 1_000} s` : explain(error);
        resolve({ kind: 'failed', why });
      });
      req.end(question.body);
    });
}
