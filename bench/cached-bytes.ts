// What a session weighs in the cache of a worker: heap and buffers of this process, with very many of them and with none.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Application } from '../src/application/application.js';
import type { Session } from '../src/session/session.js';
import type { Sessions } from '../src/session/sessions.js';
import type { SessionStore } from '../src/session/store.js';

const CACHED = 50_000;
const AT_ONCE = 50;

export interface CachedBytes {
  /** Of one session, heap and buffers. */
  readonly heap: number;
  /** What is counted for it against `cache.max_bytes`. */
  readonly counted: number;
  readonly size: number;
}

/** Takes what it is given and keeps nothing. */
export const NO_STORE = { put: async () => undefined, close: async () => {} } as unknown as SessionStore;

/** `sessions`: on `NO_STORE`, with room for all of them. */
export async function cachedBytes(
  application: Application,
  sessions: Sessions,
  make: (number: number) => Session,
): Promise<CachedBytes> {
  setFlagsFromString('--expose-gc');
  const gc: () => void = runInNewContext('gc');
  const used = (): number => {
    gc();
    gc();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const before = used();
  for (let i = 0; i < CACHED; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, j) => sessions.create(application, make(i + j))));
  }
  const bytes = used() - before;
  const { cache } = sessions;
  return { heap: bytes / cache.size, counted: cache.bytes / cache.size, size: cache.size };
}
