// The listeners on uWebSockets.js, and the only file that imports it. Its traps are dealt with here:
//   - a handler that neither answers nor sets onAborted aborts the process, one that throws answers nothing: `guarded`;
//   - `req` is dead after the first await: `Snapshot.of` before it;
//   - after an await every write belongs into `cork`, and not at all when the client has gone;
//   - a Content-Length without its body (stock nginx sends that) would eat the next request: such connections are closed.
import * as uWS from 'uWebSockets.js';
import { AkproxError } from '../infra/errors.js';
import { BLOCK_HEADER } from '../provider/identity.js';
import { LOGOUT_BODY_LIMIT } from './backchannel-logout.js';
import { type Allow, check, checkSlowly, type Decision, render } from './check.js';
import type { CheckTiming } from './check-timing.js';
import type { Dialect } from './dialects.js';
import { dialectOfQuery } from './dialects.js';
import { type HeaderSource, json, NO_STORE, type Reply, Snapshot } from './exchange.js';
import { CONTENT_LENGTH, type HeaderName } from './header-names.js';
import { answerStep, CHECK_PATHS, type OutpostContext, PREFIXES } from './outpost.js';

export interface ServerOptions {
  /** Asked for anew at each request: a new configuration is a new context. */
  readonly context: () => OutpostContext;
  readonly onError: (error: unknown) => void;
  readonly timing: CheckTiming;
  readonly logDenied: (dialect: Dialect, request: Snapshot, decision: Decision) => void;
}

export interface TlsFiles {
  readonly key: string;
  readonly cert: string;
}

/** Names are only ever added to a server: uWebSockets.js frees what live connections still use when one is taken away. */
export interface Certificates {
  /** For names without one of their own. */
  readonly fallback: TlsFiles;
  /** By SNI name. */
  readonly byName: ReadonlyMap<string, TlsFiles>;
}

export interface Server {
  /** Resolves when the port is bound; rejects with `listen_failed`. */
  listen(host: string, port: number): Promise<void>;
  /** Serves one more name, from the next connection on. */
  addCertificate(name: string, files: TlsFiles): void;
  /** Stops accepting for good; a successor on the same port has taken over. Connections get their last answer and close. */
  retire(): void;
  /** Stops accepting, answers what is in flight and closes; resolves when nothing is left or `graceMs` is over. */
  drain(graceMs: number): Promise<void>;
}

/** As bytes, which uWebSockets.js reads in half the time. */
const BLOCK_NAME = new Uint8Array(Buffer.from(BLOCK_HEADER, 'latin1')).buffer;
/** uWebSockets.js closes idle connections after 10 s: whatever is left then has had its last answer. */
const IDLE_TIMEOUT = 12_000;
/**
 * One connection in about a thousand is closed after its answer, so that pools spread over the workers again. At random, or
 * a client whose requests come in a rhythm would meet it each time, or never.
 */
const REBALANCE = 1_000;

// Switches off the `uWebSockets` header: denials are relayed to browsers. The function is missing in the typings.
(uWS as unknown as { _cfg(option: string): void })._cfg('silent');

/** `tls` null: plain HTTP. */
export function createServer(options: ServerOptions, tls: Certificates | null): Server {
  const app = tls === null ? uWS.App() : uWS.SSLApp(tlsOptions(tls.fallback));
  let listening: uWS.us_listen_socket | null = null;
  let draining = false;
  let inFlight = 0;
  let untilRebalance = checksUntilRebalance();
  let drained: (() => void) | null = null;

  /** HOT PATH: an allowed check of a cached session is answered right here. */
  function onCheck(res: uWS.HttpResponse, req: LiveRequest, dialect: Dialect): void {
    const context = options.context();
    const started = options.timing.sample();
    const decision = check(context, dialect, req);
    if (decision.kind !== 'allow') {
      onUndecided(res, req, dialect, started, decision.kind === 'undecided' && decision.notCached);
      return;
    }
    // Read before the answer: one that closes the connection may take the request's bytes with it.
    const method = started === 0 ? '' : dialect.method(req);
    if (context.logChecks === 'all') finish(res, decision, dialect, afterwards(req), Snapshot.of(req, peerOf(res)));
    else writeAllow(res, decision, dialect, mustClose(req));
    if (started !== 0) options.timing.sampled(started, decision.provider.host, method);
  }

  /** THE ONE PLACE that sends a 2xx for a check. 200, `Content-Length: 0`, the complete identity set in one write. */
  function writeAllow(res: uWS.HttpResponse, allow: Allow, dialect: Dialect, close: boolean): void {
    res.writeHeader(BLOCK_NAME, allow.block);
    if (dialect.removeHeader !== '' && allow.provider.notAsserted !== '') {
      res.writeHeader(dialect.removeHeader, allow.provider.notAsserted);
    }
    res.endWithoutBody(0, close);
  }

  function onUndecided(
    res: uWS.HttpResponse,
    req: LiveRequest,
    dialect: Dialect,
    started: number,
    notCached: boolean,
  ): void {
    const context = options.context();
    const after = afterwards(req);
    const request = context.logChecks === 'none' ? null : Snapshot.of(req, peerOf(res));
    const decision = checkSlowly(context, dialect, req, () => request?.peer ?? peerOf(res), notCached);
    if (decision instanceof Promise) {
      const done = options.timing.waits(hostOf(req, dialect), dialect.method(req));
      answerLater(res, decision, request, dialect, after, done);
    } else if (started === 0) finish(res, decision, dialect, after, request);
    else {
      const host = hostOf(req, dialect);
      const method = dialect.method(req);
      finish(res, decision, dialect, after, request);
      options.timing.sampled(started, host, method);
    }
  }

  /** Of the provider, because a client chooses what it sends. */
  function hostOf(req: LiveRequest, dialect: Dialect): string | null {
    return options.context().providers.find(dialect.host(req))?.host ?? null;
  }

  function finish(
    res: uWS.HttpResponse,
    decision: Decision,
    dialect: Dialect,
    after: Afterwards,
    request: Snapshot | null,
  ): void {
    if (request !== null) options.logDenied(dialect, request, decision);
    if (decision.kind === 'allow') writeAllow(res, decision, dialect, after.close);
    else writeReply(res, render(decision, dialect), after);
  }

  function answerLater(
    res: uWS.HttpResponse,
    work: Promise<Decision>,
    request: Snapshot | null,
    dialect: Dialect,
    after: Afterwards,
    done: () => void,
  ): void {
    const state = begin(res);
    // One `await` for all of it: each `then` would be a promise more.
    void (async () => {
      try {
        const final = await work;
        if (!state.aborted) res.cork(() => finish(res, final, dialect, after, request));
      } catch (error) {
        failed(res, state, error);
      } finally {
        done();
        end();
      }
    })();
  }

  function onStep(res: uWS.HttpResponse, req: LiveRequest): void {
    const after = afterwards(req);
    const request = Snapshot.of(req, peerOf(res));
    const state = begin(res);
    // The body must be asked for before the first await, or uWebSockets.js has thrown it away.
    const body = request.method === 'POST' ? readBody(res, state, LOGOUT_BODY_LIMIT) : Promise.resolve('');
    void answerStep(options.context(), request, () => body)
      .then((reply) => {
        if (!state.aborted) res.cork(() => writeReply(res, reply, after));
      })
      .catch((error: unknown) => failed(res, state, error))
      .finally(end);
  }

  /** What can fail behind an await fails before the first byte of the answer. */
  function failed(res: uWS.HttpResponse, state: InFlight, error: unknown): void {
    options.onError(error);
    if (!state.aborted) res.cork(() => writeReply(res, INTERNAL, LAST));
  }

  function begin(res: uWS.HttpResponse): InFlight {
    const state: InFlight = { aborted: false, onAbort: () => {} };
    inFlight += 1;
    res.onAborted(() => {
      state.aborted = true;
      state.onAbort();
    });
    return state;
  }

  function end(): void {
    inFlight -= 1;
    if (draining && inFlight === 0) drained?.();
  }

  function mustClose(req: LiveRequest): boolean {
    const length = req.get(CONTENT_LENGTH);
    untilRebalance -= 1;
    if (untilRebalance > 0 && (length === '' || length === '0') && !draining) return false;
    if (untilRebalance <= 0) untilRebalance = checksUntilRebalance();
    return true;
  }

  function afterwards(req: LiveRequest): Afterwards {
    return { close: mustClose(req), head: req.getMethod() === 'head' };
  }

  /** No handler may end without an answer, whatever happens in it. */
  function guarded(
    handler: (res: uWS.HttpResponse, req: LiveRequest) => void,
  ): (res: uWS.HttpResponse, req: uWS.HttpRequest) => void {
    return (res, req) => {
      try {
        handler(res, live.of(req));
      } catch (error) {
        options.onError(error);
        res.cork(() => writeReply(res, INTERNAL, LAST));
      }
    };
  }

  function addRoutes(): void {
    for (const prefix of PREFIXES) {
      for (const { path, dialect } of CHECK_PATHS) {
        app.any(
          prefix + path,
          dialect === null
            ? guarded((res, req) => onCheck(res, req, dialectOfQuery(req.getQuery())))
            : guarded((res, req) => onCheck(res, req, dialect)),
        );
      }
    }
    app.any('/*', guarded(onStep));
  }

  addRoutes();
  for (const [name, files] of tls?.byName ?? []) addCertificate(name, files);

  function addCertificate(name: string, files: TlsFiles): void {
    app.addServerName(name, tlsOptions(files));
    app.domain(name);
    addRoutes();
  }

  function stopListening(): void {
    draining = true;
    if (listening !== null) uWS.us_listen_socket_close(listening);
    listening = null;
  }

  return {
    listen(host, port) {
      return new Promise((resolve, reject) => {
        app.listen(host, port, (socket) => {
          if (!socket) {
            reject(new AkproxError('listen_failed', `cannot listen on ${host}:${port}`));
            return;
          }
          listening = socket;
          resolve();
        });
      });
    },

    addCertificate,

    retire() {
      stopListening();
      setTimeout(() => app.close(), IDLE_TIMEOUT).unref();
    },

    async drain(graceMs) {
      stopListening();
      if (inFlight > 0) {
        await new Promise<void>((resolve) => {
          drained = resolve;
          setTimeout(resolve, graceMs).unref();
        });
      }
      app.close();
    },
  };
}

/** A whole number: V8 would put a fraction on the heap at each count. */
function checksUntilRebalance(): number {
  return Math.ceil(2 * REBALANCE * Math.random());
}

function tlsOptions(files: TlsFiles): uWS.AppOptions {
  return { key_file_name: files.key, cert_file_name: files.cert };
}

const INTERNAL: Reply = json(500, { error: 'internal', message: 'the outpost failed to answer; its log says why' });

/** uWebSockets.js' request while its handler runs; there is one, because handlers run one after the other. */
class LiveRequest implements HeaderSource {
  private req = undefined as unknown as uWS.HttpRequest;

  of(req: uWS.HttpRequest): this {
    this.req = req;
    return this;
  }

  get(name: HeaderName): string {
    return this.req.getHeader(name.bytes);
  }

  getHeader(lowerCaseName: string): string {
    return this.req.getHeader(lowerCaseName);
  }

  forEach(visit: (lowerCaseName: string, value: string) => void): void {
    this.req.forEach(visit);
  }

  getMethod(): string {
    return this.req.getMethod();
  }

  getUrl(): string {
    return this.req.getUrl();
  }

  getQuery(): string | undefined {
    return this.req.getQuery();
  }
}

const live = new LiveRequest();

/** A request whose answer takes a while. */
interface InFlight {
  aborted: boolean;
  onAbort: () => void;
}

/** How an answer ends: whether the connection closes, and whether only the head is sent. */
interface Afterwards {
  readonly close: boolean;
  readonly head: boolean;
}

const LAST: Afterwards = { close: true, head: false };

function writeReply(res: uWS.HttpResponse, reply: Reply, { close, head }: Afterwards): void {
  const [first = NO_STORE, ...rest] = reply.headers;
  const lines = fieldLines(first[1], rest);
  res.writeStatus(STATUS_LINES[reply.status] ?? String(reply.status));
  res.writeHeader(first[0], lines);
  // A 204 has no length (RFC 9110 §8.6); asked to leave it out *and* close, uWebSockets.js would write a garbage number.
  if (reply.status === 204 && !close) res.endWithoutBody();
  // It would also send a body to HEAD, and the next answer on the connection would be read as garbage.
  else if (reply.body === '' || head) res.endWithoutBody(Buffer.byteLength(reply.body), close);
  else res.end(reply.body, close);
}

/**
 * All headers in one write, behind the name of the first: response splitting on purpose, as in provider/identity.ts. So no
 * part may bring a control character of its own; what does is answered with 500.
 */
function fieldLines(first: string, rest: Reply['headers']): string {
  let lines = uncontrolled(first);
  for (const [name, value] of rest) lines += `\r\n${uncontrolled(`${name}: ${value}`)}`;
  return lines;
}

function uncontrolled(text: string): string {
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

function peerOf(res: uWS.HttpResponse): string {
  return Buffer.from(res.getRemoteAddressAsText()).toString('latin1');
}

/** Null when it is larger than `limit` bytes or the client has gone. Never rejects. */
function readBody(res: uWS.HttpResponse, state: InFlight, limit: number): Promise<string | null> {
  return new Promise((resolve) => {
    // After an abort no further chunk comes; the step must end all the same, or a drain would wait for it.
    state.onAbort = () => resolve(null);
    const chunks: Buffer[] = [];
    let size = 0;
    res.onData((chunk, isLast) => {
      size += chunk.byteLength;
      if (size <= limit) chunks.push(Buffer.from(new Uint8Array(chunk))); // `chunk` is only lent to us: copy it
      if (isLast || size > limit) resolve(size > limit ? null : Buffer.concat(chunks).toString('utf8'));
    });
  });
}
