// The listeners on uWebSockets.js, and the only file that imports it. Requests come in here; every answer goes out through
// answer.ts, which knows the traps of that. `req` is dead after the first await: `Snapshot.of` before it.
import * as uWS from 'uWebSockets.js';
import { BLOCK_HEADER } from '../application/identity.js';
import { PREFIXES } from '../application/own-paths.js';
import { AkproxError } from '../infra/errors.js';
import type { CheckTiming } from '../metrics/check-timing.js';
import { Answers, BODY, CLOSE, type Framing, HEAD, KEEP_ALIVE } from './answer.js';
import { LOGOUT_BODY_LIMIT } from './backchannel-logout.js';
import { check } from './check.js';
import { checkSlowly } from './check-slow.js';
import type { Undecided } from './check-state.js';
import { type Allow, type Decision, render } from './decision.js';
import type { Dialect } from './dialects.js';
import { dialectOfQuery } from './dialects.js';
import { type HeaderSource, Snapshot } from './exchange.js';
import { CONTENT_LENGTH, type HeaderName, TRANSFER_ENCODING } from './header-names.js';
import { answerStep, CHECK_PATHS, type OutpostContext } from './router.js';

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
  let untilRebalance = checksUntilRebalance();
  let drained: (() => void) | null = null;
  const answers = new Answers({
    onError: options.onError,
    now: () => options.context().now(),
    onIdle: () => {
      if (draining) drained?.();
    },
  });

  /** HOT PATH: an allowed check of a cached session is answered right here. */
  function onCheck(res: uWS.HttpResponse, req: LiveRequest, dialect: Dialect): void {
    const context = options.context();
    const started = options.timing.sample();
    const decision = check(context, dialect, req);
    if (decision.kind !== 'allow') {
      onUndecided(res, req, dialect, started, decision);
      return;
    }
    // Read before the answer: one that closes the connection may take the request's bytes with it.
    const method = started === 0 ? '' : dialect.method(req);
    const request = context.logChecks === 'all' ? Snapshot.of(req, peerOf(res)) : null;
    const framing = framingOfHit(req);
    if (request === null && (framing & BODY) === 0) writeAllow(res, decision, dialect, framing);
    else finish(res, decision, dialect, framing, request);
    if (started !== 0) options.timing.sampled(started, decision.application.host, method);
  }

  /** THE ONE PLACE that sends a 2xx for a check. 200, `Content-Length: 0`, the complete identity set in one write. */
  function writeAllow(res: uWS.HttpResponse, allow: Allow, dialect: Dialect, framing: Framing): void {
    const remove = dialect.removeHeader === '' ? '' : allow.application.notAsserted;
    answers.write(res, 200, BLOCK_NAME, allow.block, dialect.removeHeader, remove, '', framing);
  }

  function onUndecided(
    res: uWS.HttpResponse,
    req: LiveRequest,
    dialect: Dialect,
    started: number,
    found: Undecided,
  ): void {
    const context = options.context();
    // Of the application, because a client chooses what it sends. Read now: `found` is the next check's as soon as this one is done.
    const host = found.application?.host ?? null;
    const framing = framingOf(req);
    const request = context.logChecks === 'none' ? null : Snapshot.of(req, peerOf(res));
    const decision = checkSlowly(context, dialect, req, () => request?.peer ?? peerOf(res), found);
    if (decision instanceof Promise) {
      const done = options.timing.waits(host, dialect.method(req));
      answerLater(res, decision, request, dialect, framing, done);
    } else if (started === 0) finish(res, decision, dialect, framing, request);
    else {
      const method = dialect.method(req);
      finish(res, decision, dialect, framing, request);
      options.timing.sampled(started, host, method);
    }
  }

  function finish(
    res: uWS.HttpResponse,
    decision: Decision,
    dialect: Dialect,
    framing: Framing,
    request: Snapshot | null,
  ): void {
    if ((framing & BODY) !== 0) {
      answers.later(res, framing, 0).answer((final) => finish(res, decision, dialect, final, request));
      return;
    }
    if (request !== null) options.logDenied(dialect, request, decision);
    if (decision.kind === 'allow') writeAllow(res, decision, dialect, framing);
    else answers.reply(res, render(decision, dialect), framing);
  }

  function answerLater(
    res: uWS.HttpResponse,
    work: Promise<Decision>,
    request: Snapshot | null,
    dialect: Dialect,
    framing: Framing,
    done: () => void,
  ): void {
    const answer = answers.later(res, framing, 0);
    // One `await` for all of it: each `then` would be a promise more.
    void (async () => {
      try {
        const decision = await work;
        answer.answer((final) => finish(res, decision, dialect, final, request));
      } catch (error) {
        answers.fail(res, answer, error);
      } finally {
        done();
      }
    })();
  }

  function onStep(res: uWS.HttpResponse, req: LiveRequest): void {
    const framing = framingOf(req);
    const request = Snapshot.of(req, peerOf(res));
    // The body must be asked for before the first await, or uWebSockets.js has thrown it away.
    const answer = answers.later(res, framing, request.method === 'POST' ? LOGOUT_BODY_LIMIT : 0);
    void answerStep(options.context(), request, () => answer.text())
      .then((reply) => answer.answer((final) => answers.reply(res, reply, final)))
      .catch((error: unknown) => answers.fail(res, answer, error));
  }

  /**
   * HOT PATH. An answer without a body that keeps its connection is framed alike for every method, and a chunked body behind it is
   * read and thrown away by uWebSockets.js, so neither is looked at.
   */
  function framingOfHit(req: LiveRequest): Framing {
    const length = req.get(CONTENT_LENGTH);
    if ((length !== '' && length !== '0') || untilRebalance <= 1 || draining) return framingOf(req);
    untilRebalance -= 1;
    return KEEP_ALIVE;
  }

  function framingOf(req: LiveRequest): Framing {
    const length = req.get(CONTENT_LENGTH);
    const body = (length !== '' && length !== '0') || req.get(TRANSFER_ENCODING) !== '';
    untilRebalance -= 1;
    const close = untilRebalance <= 0 || draining;
    if (untilRebalance <= 0) untilRebalance = checksUntilRebalance();
    return (close ? CLOSE : KEEP_ALIVE) | (req.isHead() ? HEAD : KEEP_ALIVE) | (body ? BODY : KEEP_ALIVE);
  }

  function guarded(
    handler: (res: uWS.HttpResponse, req: LiveRequest) => void,
  ): (res: uWS.HttpResponse, req: uWS.HttpRequest) => void {
    const safe = answers.guarded(handler, framingOf);
    return (res, req) => safe(res, live.of(req));
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
      if (answers.pending > 0) {
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

  /** Methods are case-sensitive (RFC 9110 §9.1): the answer to `head` has a body. */
  isHead(): boolean {
    return this.req.getCaseSensitiveMethod() === 'HEAD';
  }

  getUrl(): string {
    return this.req.getUrl();
  }

  getQuery(): string | undefined {
    return this.req.getQuery();
  }
}

const live = new LiveRequest();

function peerOf(res: uWS.HttpResponse): string {
  return Buffer.from(res.getRemoteAddressAsText()).toString('latin1');
}
