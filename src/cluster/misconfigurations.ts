// Misconfigurations that a check of this worker has met, on their way to authentik's event log by way of the primary.
import { createEventLimit, type Misconfiguration, shownHeaders } from '../authentik/events.js';
import type { CheckContext } from '../http/check.js';
import { shownAddress, UNIX_PEER } from '../http/trusted-proxies.js';

/** Few of them, and nothing secret, even cross the process boundary. `monotonic` in milliseconds. */
export function createMisconfigurationReporter(
  monotonic: () => number,
  toPrimary: (event: Misconfiguration) => void,
): NonNullable<CheckContext['misconfigured']> {
  const limit = createEventLimit(monotonic);
  return (message, provider, req, peer) => {
    if (!limit.admit({ message, provider })) return;
    const headers: Record<string, string> = {};
    req.forEach((name, value) => {
      headers[name] = value;
    });
    // authentik takes nothing but an address.
    toPrimary({
      message,
      provider,
      clientIp: peer === UNIX_PEER ? '127.0.0.1' : shownAddress(peer),
      url: req.getUrl(),
      headers: shownHeaders(headers),
    });
  };
}
