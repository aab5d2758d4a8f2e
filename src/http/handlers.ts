// What a uWebSockets.js listener does with a request: a check, or a step. `req` is dead after the first await: `Snapshot.of` before
// it. Every answer goes out through answer.ts.
import { BLOCK_HEADER } from '../application/identity.js';
import type { CheckTiming } from '../metrics/check-timing.js';
import type { Answers } from './answer.js';
import { LOGOUT_BODY_LIMIT } from './backchannel-logout.js';
import { check } from './check.js';
import type { Undecided } from './check-state.js';
import { decideSlowly, watchHit } from './check-watch.js';
import { type Allow, type Decision, render } from './decision.js';
import type { Dialect } from './dialects.js';
import { Snapshot } from './exchange.js';
import { BODY, type Framer, type Framing } from './framing.js';
import type { LiveRequest } from './live-request.js';
import type { RawResponse } from './pending-answer.js';
import { type RequestContext, route } from './router.js';

export interface HandlerOptions {
  /** Asked for anew at each request: a new configuration is a new context. */
  readonly context: () => RequestContext;
  readonly timing: CheckTiming;
  /** For `log.checks`. */
  readonly logCheck: (dialect: Dialect, request: Snapshot, decision: Decision) => void;
}

export interface Response extends RawResponse {
  getRemoteAddressAsText(): ArrayBuffer;
}

export interface Handlers {
  onCheck(res: Response, req: LiveRequest, dialect: Dialect): void;
  onStep(res: Response, req: LiveRequest): void;
}

/** As bytes, which uWebSockets.js reads in half the time. */
const BLOCK_NAME = new Uint8Array(Buffer.from(BLOCK_HEADER, 'latin1')).buffer;

/** `peerOf`: who is at the other end. */
export function createHandlers(
  options: HandlerOptions,
  answers: Answers,
  framer: Framer,
  peerOf: (res: Response) => string,
): Handlers {
  /** HOT PATH: an allowed check of a cached session is answered right here. */
  function onCheck(res: Response, req: LiveRequest, dialect: Dialect): void {
    const context = options.context();
    const started = options.timing.sample();
    const decision = check(context, dialect, req);
    if (decision.kind !== 'allow') {
      onUndecided(res, req, dialect, started, decision);
      return;
    }
    // Read before the answer: one that closes the connection may take the request's bytes with it.
    const method = started === 0 ? '' : dialect.method(req);
    const request = context.watchesHits ? watchHit(context, dialect, req, decision, () => peerOf(res)) : null;
    const framing = framer.ofHit(req);
    if (request === null && (framing & BODY) === 0) writeAllow(res, decision, dialect, framing);
    else finish(res, decision, dialect, framing, request);
    if (started !== 0) options.timing.sampled(started, decision.application.host, method);
  }

  /** THE ONE PLACE that sends a 2xx for a check. 200, `Content-Length: 0`, the complete identity set in one write. */
  function writeAllow(res: Response, allow: Allow, dialect: Dialect, framing: Framing): void {
    const remove = dialect.removeHeader === '' ? '' : allow.application.headersToRemove;
    answers.write(res, 200, BLOCK_NAME, allow.block, dialect.removeHeader, remove, '', framing);
  }

  function onUndecided(res: Response, req: LiveRequest, dialect: Dialect, started: number, found: Undecided): void {
    const context = options.context();
    // Of the application, because a client chooses what it sends. Read now: `found` is the next check's as soon as this one is done.
    const host = found.application?.host ?? null;
    const framing = framer.of(req);
    const request = context.logChecks === 'none' ? null : Snapshot.of(req, peerOf(res));
    const decision = decideSlowly(context, dialect, req, () => request?.peer ?? peerOf(res), found);
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
    res: Response,
    decision: Decision,
    dialect: Dialect,
    framing: Framing,
    request: Snapshot | null,
  ): void {
    if ((framing & BODY) !== 0) {
      answers.later(res, framing, 0).answer((final) => finish(res, decision, dialect, final, request));
      return;
    }
    if (request !== null) options.logCheck(dialect, request, decision);
    if (decision.kind === 'allow') writeAllow(res, decision, dialect, framing);
    else answers.reply(res, render(decision, dialect), framing);
  }

  function answerLater(
    res: Response,
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

  function onStep(res: Response, req: LiveRequest): void {
    const framing = framer.of(req);
    const request = Snapshot.of(req, peerOf(res));
    // The body must be asked for before the first await, or uWebSockets.js has thrown it away.
    const answer = answers.later(res, framing, request.method === 'POST' ? LOGOUT_BODY_LIMIT : 0);
    void route(options.context(), request, () => answer.text())
      .then((reply) => answer.answer((final) => answers.reply(res, reply, final)))
      .catch((error: unknown) => answers.fail(res, answer, error));
  }

  return { onCheck, onStep };
}
