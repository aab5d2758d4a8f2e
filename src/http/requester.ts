// Who asks, for the log: the client's address, and the id under which the proxy's own log has the request.
import type { Requester } from '../session/audit.js';
import type { HeaderSource } from './exchange.js';
import type { TrustedProxies } from './trusted-proxies.js';

const LONGEST_ID = 128;

export interface RequesterContext {
  readonly trustedProxies: TrustedProxies;
}

export function requesterOf({ trustedProxies }: RequesterContext, req: HeaderSource, peer: string): Requester {
  return {
    client: trustedProxies.clientAddress(peer, req.getHeader('x-forwarded-for')),
    requestId: requestIdOf(req),
  };
}

/** A client may have sent it: what is not plain text of a reasonable length does not get into the log. '' without one. */
function requestIdOf(req: HeaderSource): string {
  const id = req.getHeader('x-request-id') || req.getHeader('traceparent');
  return id.slice(0, LONGEST_ID).replace(/[^\x21-\x7e]/g, '?');
}
