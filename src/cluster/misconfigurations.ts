// Misconfigurations that a check of this worker has met, on their way to authentik's event log by way of the primary.
import { createEventLimit, type Misconfiguration, shownHeaders } from '../authentik/events.js';
import type { CheckContext } from '../http/check.js';

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
    toPrimary({ message, provider, clientIp: peer, url: req.getUrl(), headers: shownHeaders(headers) });
  };
}
