// What a listener on node:http or node:http2 does with a request, as handlers.ts does it for uWebSockets.js: a check, or a step.
// It says what to answer; compat.ts and http2-answer.ts know how.
import { check } from './check.js';
import type { Undecided } from './check-state.js';
import { decideSlowly, watchHit } from './check-watch.js';
import { type Allow, type Decision, render } from './decision.js';
import type { Dialect } from './dialects.js';
import { type HeaderSource, type Reply, Snapshot } from './exchange.js';
import type { HandlerOptions } from './handlers.js';
import { type RequestContext, route } from './router.js';

/** A 2xx of a check is an `Allow` and nothing else. */
export type Outcome = Allow | Reply;

export interface NodeRequest extends HeaderSource {
  /** Address of the TCP peer. */
  peer(): string;
  /** The body; null when it is larger than what is kept, or the client has gone. */
  text(): Promise<string | null>;
  /** This request, for longer than its handler runs: a listener may read all of them through one object. */
  kept(): NodeRequest;
}

export function isAllow(outcome: Outcome): outcome is Allow {
  return 'block' in outcome;
}

export class NodeWork {
  private readonly options: HandlerOptions;

  constructor(options: HandlerOptions) {
    this.options = options;
  }

  /** HOT PATH. A promise only when somebody else has to be asked. */
  check(request: NodeRequest, dialect: Dialect): Outcome | Promise<Outcome> {
    const { options } = this;
    const context = options.context();
    const started = options.timing.sample();
    const found = check(context, dialect, request);
    if (found.kind !== 'allow') return this.undecided(context, dialect, request.kept(), started, found);
    if (context.watchesHits) this.watchHit(context, request, dialect, found);
    if (started !== 0) options.timing.sampled(started, found.application.host, dialect.method(request));
    return found;
  }

  private watchHit(context: RequestContext, request: NodeRequest, dialect: Dialect, allow: Allow): void {
    const logged = watchHit(context, dialect, request, allow, () => request.peer());
    if (logged !== null) this.options.logCheck(dialect, logged, allow);
  }

  private undecided(
    context: RequestContext,
    dialect: Dialect,
    request: NodeRequest,
    started: number,
    found: Undecided,
  ): Outcome | Promise<Outcome> {
    const { timing } = this.options;
    // Of the application, because a client chooses what it sends. Read now: `found` is the next check's as soon as this one is done.
    const host = found.application?.host ?? null;
    const method = dialect.method(request);
    const logged = context.logChecks === 'none' ? null : Snapshot.of(request, request.peer());
    const decision = decideSlowly(context, dialect, request, () => request.peer(), found);
    if (decision instanceof Promise) return this.wait(decision, dialect, logged, timing.waits(host, method));
    const outcome = this.outcomeOf(decision, dialect, logged);
    if (started !== 0) timing.sampled(started, host, method);
    return outcome;
  }

  private async wait(
    work: Promise<Decision>,
    dialect: Dialect,
    logged: Snapshot | null,
    done: () => void,
  ): Promise<Outcome> {
    try {
      return this.outcomeOf(await work, dialect, logged);
    } finally {
      done();
    }
  }

  private outcomeOf(decision: Decision, dialect: Dialect, logged: Snapshot | null): Outcome {
    if (logged !== null) this.options.logCheck(dialect, logged, decision);
    return decision.kind === 'allow' ? decision : render(decision, dialect);
  }

  step(request: NodeRequest): Promise<Reply> {
    return route(this.options.context(), Snapshot.of(request, request.peer()), () => request.text());
  }
}
