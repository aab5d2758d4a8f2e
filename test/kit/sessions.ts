// Sessions on a store, without a worker around them: real clocks, nobody else to hear of revocations, nothing logged.
import { performance } from 'node:perf_hooks';
import { createLog } from '../../src/infra/log.js';
import { Sessions, type SessionsOptions } from '../../src/session/sessions.js';
import type { SessionStore } from '../../src/session/store.js';

export function makeSessions(store: SessionStore, options: Partial<SessionsOptions> = {}): Sessions {
  return new Sessions({
    store,
    channel: { publish: () => {}, subscribe: () => {} },
    cache: { max_bytes: 10_000_000, max_age: 60_000, stale_max: 300_000 },
    now: Date.now,
    monotonic: () => performance.now(),
    random: () => 0,
    log: createLog('silent', 'test'),
    ...options,
  });
}
