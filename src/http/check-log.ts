// One log line for a check, when `log.checks` asks for it. No cookie, no header value, no query: a path at most, and who it was as far
// as `log.audit` allows.
import type { Logger } from 'pino';
import { personOfBlock } from '../application/identity.js';
import { personOf, shownSession } from '../session/audit.js';
import type { Allow, Decision, Known } from './decision.js';
import type { Dialect } from './dialects.js';
import type { Snapshot } from './exchange.js';
import { requesterOf } from './requester.js';
import type { RequestContext } from './router.js';

export function checkLogger(
  log: Logger,
  context: () => RequestContext,
): (dialect: Dialect, request: Snapshot, decision: Decision) => void {
  return (dialect, request, decision) => {
    const { logChecks, logAudit, applications, ...rest } = context();
    if (decision.kind === 'allow' && logChecks !== 'all') return;
    const host = dialect.host(request);
    const known = logAudit === 'none' ? null : knownBy(decision);
    const { client, requestId } = requesterOf(rest, request, request.peer);
    log.info(
      {
        provider: applications.find(host)?.name,
        dialect: dialect.name,
        decision: decision.kind,
        ...(decision.kind === 'invalid' ? { header: decision.header, problem: decision.problem } : {}),
        host: host.slice(0, 260),
        path: (dialect.uri(request).split('?')[0] ?? '').slice(0, 200),
        subject: known?.subject || undefined,
        user: (logAudit === 'user' && known?.user) || undefined,
        session: shownSession(known?.key ?? ''),
        client,
        request_id: requestId || undefined,
      },
      decision.kind === 'allow' ? 'check allowed' : 'check denied',
    );
  };
}

function knownBy(decision: Decision): Known | null {
  if (decision.kind === 'forbidden') return decision.who;
  return decision.kind === 'allow' ? knownByBlock(decision) : null;
}

/** What is cached of somebody who may pass is the headers that say who it is. */
function knownByBlock({ application, block, key }: Allow): Known | null {
  const person = personOfBlock(block);
  return person.sub === '' ? null : { ...personOf(application, person), key };
}
