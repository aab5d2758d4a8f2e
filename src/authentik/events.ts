// Misconfigurations, reported to authentik's event log. Whoever can reach the outpost can cause one, so there are few of
// them; and they hold no cookie, no authorization and no header but those that say how a proxy asked.
import { createRateGate } from '../infra/rate-gate.js';
import type { CoreApi } from './api.js';
import type { SourceLog } from './socket.js';

/** Plain JSON: a worker sends it to the primary. */
export interface Misconfiguration {
  readonly message: string;
  /** Name of the provider, or '' when no provider was found. */
  readonly provider: string;
  readonly clientIp: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Whether one more report may go out. Used by each worker, before it bothers the primary, and by the primary. */
export interface EventLimit {
  admit(event: Pick<Misconfiguration, 'message' | 'provider'>): boolean;
}

export interface EventReporter {
  report(event: Misconfiguration): void;
}

const MINUTE = 60_000;
const MOST_A_MINUTE = 10;
const LONGEST_VALUE = 500;
/** Everything else may hold a credential under a name that we do not know. */
const SHOWN = /^(x-forwarded-(for|host|proto|port|uri|method|server)|x-original-(url|uri|method)|host|user-agent)$/i;

/** One a minute for a message and a provider, ten a minute together. `monotonic` in milliseconds. */
export function createEventLimit(monotonic: () => number): EventLimit {
  const gate = createRateGate({ period: MINUTE, most: MOST_A_MINUTE, monotonic });
  return { admit: ({ message, provider }) => gate.admit(`${provider}\0${message}`) };
}

export function createEventReporter(options: {
  readonly api: Pick<CoreApi, 'postEvent'>;
  readonly outpostName: () => string;
  /** Milliseconds. */
  readonly monotonic: () => number;
  readonly log: SourceLog;
}): EventReporter {
  const limit = createEventLimit(options.monotonic);
  return {
    report(event) {
      if (!limit.admit(event)) return;
      options.api.postEvent(toCore(event, options.outpostName())).catch((error: unknown) => {
        options.log.debug({ err: error }, 'authentik did not take an event');
      });
    },
  };
}

function toCore(event: Misconfiguration, outpost: string): Record<string, unknown> {
  return {
    action: 'configuration_error',
    app: 'authentik.providers.proxy',
    client_ip: event.clientIp,
    context: {
      message: event.message.slice(0, LONGEST_VALUE),
      provider: event.provider,
      outpost,
      url: withoutQuery(event.url),
      headers: shownHeaders(event.headers),
    },
  };
}

/** For a worker as well, so that nothing else even crosses the process boundary. */
export function shownHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => SHOWN.test(name))
      // The URL of a callback has a code in its query.
      .map(([name, value]) => [name, (/-ur[il]$/i.test(name) ? withoutQuery(value) : value).slice(0, LONGEST_VALUE)]),
  );
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '').slice(0, LONGEST_VALUE);
}
