// Checks that somebody looks at besides the proxy: the log (`log.checks`) and the trace that the proxy has begun.
import { checkSlowly } from './check-slow.js';
import type { Undecided } from './check-state.js';
import type { Allow, Decision } from './decision.js';
import type { Dialect } from './dialects.js';
import { type HeaderSource, Snapshot } from './exchange.js';
import type { RequestContext } from './router.js';

const CHECK = 'check';

/** A hit. The request, if the log is to have a line; null otherwise. Only where `watchesHits`. */
export function watchHit(
  context: RequestContext,
  dialect: Dialect,
  req: HeaderSource,
  allow: Allow,
  peer: () => string,
): Snapshot | null {
  const { tracing, logChecks } = context;
  const traceparent = tracing === null ? '' : req.getHeader('traceparent');
  if (tracing?.samples(traceparent))
    tracing.told(CHECK, traceparent, { ...factsOf(dialect, allow), 'akprox.cached': 1 });
  return logChecks === 'all' ? Snapshot.of(req, peer()) : null;
}

/** Everything else. */
export function decideSlowly(
  context: RequestContext,
  dialect: Dialect,
  req: HeaderSource,
  peer: () => string,
  found: Undecided,
): Decision | Promise<Decision> {
  const { tracing } = context;
  const traceparent = tracing === null ? '' : req.getHeader('traceparent');
  if (tracing === null || !tracing.samples(traceparent)) return checkSlowly(context, dialect, req, peer, found);
  // Begun right here, while the request is alive; what it says is a promise from now on.
  return tracing.around(
    CHECK,
    traceparent,
    {},
    async () => checkSlowly(context, dialect, req, peer, found),
    (decision) => ({ failed: decision.kind === 'unavailable', facts: factsOf(dialect, decision) }),
  );
}

function factsOf(dialect: Dialect, decision: Decision): Record<string, string> {
  const facts = { 'akprox.dialect': dialect.name, 'akprox.decision': decision.kind };
  return decision.kind === 'allow' ? { ...facts, 'akprox.provider': decision.application.name } : facts;
}
