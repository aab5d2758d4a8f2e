// One log line for a check, when `log.checks` asks for it. No cookie, no header value, no query: a path at most.
import type { Logger } from 'pino';
import type { Decision } from './decision.js';
import type { Dialect } from './dialects.js';
import type { Snapshot } from './exchange.js';
import type { RequestContext } from './router.js';

export function checkLogger(
  log: Logger,
  context: () => RequestContext,
): (dialect: Dialect, request: Snapshot, decision: Decision) => void {
  return (dialect, request, decision) => {
    const { logChecks, trustedProxies } = context();
    if (decision.kind === 'allow' && logChecks !== 'all') return;
    log.info(
      {
        dialect: dialect.name,
        decision: decision.kind,
        ...(decision.kind === 'invalid' ? { header: decision.header, problem: decision.problem } : {}),
        host: dialect.host(request).slice(0, 260),
        path: (dialect.uri(request).split('?')[0] ?? '').slice(0, 200),
        client: trustedProxies.clientAddress(request.peer, request.getHeader('x-forwarded-for')),
      },
      decision.kind === 'allow' ? 'check allowed' : 'check denied',
    );
  };
}
