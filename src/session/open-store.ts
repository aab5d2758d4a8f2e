// The store that the configuration names, and the channel that goes with it.
import type { Logger } from 'pino';
import type { StoreConfig } from '../config/schema.js';
import { createLog } from '../infra/log.js';
import type { RedisChannelOptions } from './redis/redis-channel.js';
import type { SharedChannel } from './revocation.js';
import type { SessionStore } from './store.js';

// Loaded on demand: an idle worker has a budget of memory, and each of them takes much of it.
export async function openStore(
  config: StoreConfig,
  now: () => number,
  log: Logger = createLog('info', 'store'),
): Promise<SessionStore> {
  if (config.kind === 'redis') return (await import('./redis/redis-store.js')).openRedisStore(config, { now, log });
  const { openEmbeddedStore } = await import('./embedded/embedded-store.js');
  return openEmbeddedStore({ path: config.path, maxBytes: config.max_bytes, now });
}

/** Null for the embedded store: its workers have one parent, and receive revocations through it. */
export async function openChannel(config: StoreConfig, options: RedisChannelOptions): Promise<SharedChannel | null> {
  return config.kind === 'redis' ? (await import('./redis/redis-channel.js')).openRedisChannel(config, options) : null;
}
