// Why an address cannot be listened on, with what to do.
import { explain } from '../infra/errors.js';

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES:
    'this user may not: ports below 1024 are for root, or for whoever has CAP_NET_BIND_SERVICE; set a port above, which the proxy asks',
  EADDRNOTAVAIL: 'this host has no such address: name one that it has, or [::] for all of them',
  EAFNOSUPPORT: 'this host has no IPv6: name an address of IPv4, or 0.0.0.0 for all of them',
};

/** `taken`: what to say when somebody else listens there. */
export function whyNotListening(cause: unknown, taken: string): string {
  const code = codeOf(cause);
  return code === 'EADDRINUSE' ? taken : (REMEDIES[code] ?? explain(cause));
}

export function isTaken(cause: unknown): boolean {
  return codeOf(cause) === 'EADDRINUSE';
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : '';
}
