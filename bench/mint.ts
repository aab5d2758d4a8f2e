// Sessions without a login each: written to the store as a worker writes them, for benches that need more than a few.
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type Application, createApplication } from '../src/application/application.js';
import { readClaims } from '../src/application/claims.js';
import { createLog } from '../src/infra/log.js';
import { openStore } from '../src/session/open-store.js';
import { encodeRecord } from '../src/session/redis/redis-record.js';
import type { Session } from '../src/session/session.js';
import type { SealedSession, SessionStore } from '../src/session/store.js';
import { configOf } from '../test/kit/application.js';
import { testProvider } from '../test/kit/daemon.js';
import { makeSessions } from '../test/kit/sessions.js';
import { ACCOUNTS } from '../test/kit/world.js';

const AT_ONCE = 500;

export interface Mint {
  readonly application: Application;
  /** `name=value` of so many new sessions, all alice's. */
  mint(count: number, minted?: (soFar: number) => void): Promise<string[]>;
  close(): Promise<void>;
}

/**
 * `store`: the daemon's own, as in its configuration. `redis`: writes the sessions alone, in a pipeline and without the indexes
 * that sign-outs by subject need; checks read no index.
 */
export async function openMint(
  issuer: string,
  store: Record<string, unknown>,
  lifetimeMs: number,
  redis: Redis | null = null,
): Promise<Mint> {
  const config = configOf({
    store,
    providers: [testProvider(issuer, { access: { groups: ['staff'] } })],
  });
  const [providerConfig] = config.providers;
  if (providerConfig === undefined) throw new Error('no provider');
  const application = createApplication(providerConfig);
  const log = createLog('silent', 'bench');
  const opened =
    redis === null || config.store.kind !== 'redis'
      ? await openStore(config.store, Date.now, log)
      : pipelined(redis, config.store.prefix);
  const sessions = makeSessions(opened, { cache: { ...config.cache, max_bytes: 65_536 } });
  let number = 0;
  const one = async (): Promise<string> => {
    number += 1;
    const cookie = await sessions.create(application, sessionOf(application, number, lifetimeMs));
    return `${application.cookieName}=${cookie}`;
  };
  return {
    application,
    mint: async (count, minted) => {
      const cookies: string[] = [];
      while (cookies.length < count) {
        const batch = Math.min(AT_ONCE, count - cookies.length);
        cookies.push(...(await Promise.all(Array.from({ length: batch }, one))));
        minted?.(cookies.length);
      }
      return cookies;
    },
    close: () => opened.close(),
  };
}

/** Alice's, with a subject of its own. */
export function sessionOf(application: Application, number: number, lifetimeMs: number): Session {
  const now = Date.now();
  return {
    provider: application.id,
    claims: { ...readClaims({ sub: `user-${number}`, ...ACCOUNTS.alice }), sid: `sid-${number}` },
    createdAt: now,
    renewedAt: now,
    expiresAt: now + lifetimeMs,
    idToken: '',
    jwt: '',
    refreshToken: null,
    loginState: '',
    loginTarget: '',
  };
}

function pipelined(redis: Redis, prefix: string): SessionStore {
  const put = async (session: SealedSession): Promise<void> => {
    const provider = createHash('sha256').update(session.provider).digest('base64url');
    const ttl = Math.ceil(session.expiresAt - Date.now());
    await redis.set(`${prefix}s:{${session.key}}`, encodeRecord({ ...session, provider }), 'PX', ttl);
  };
  return { put, close: async () => {} } as unknown as SessionStore;
}

/**
 * Draws 0 … count − 1 with P(i) ∝ 1 / (i + 1), from a uniform 0 ≤ x < 1: Zipf's law with exponent 1, by the inverse of the
 * logarithm that its sum is close to.
 */
export function zipf(count: number, uniform: number): number {
  return Math.min(count - 1, Math.floor((count + 1) ** uniform) - 1);
}
