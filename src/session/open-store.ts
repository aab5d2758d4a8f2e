// The store that the configuration names, and the channel that goes with it.
import type { Logger } from 'pino';
import type { StoreConfig } from '../config/schema.js';
import { createLog } from '../infra/log.js';
import { openRedisChannel, type RedisChannel, type RedisChannelOptions } from './channel-redis.js';
import type { SessionStore } from './store.js';
import { openEmbeddedStore } from './store-embedded.js';
import { openRedisStore } from './store-redis.js';

export async function openStore(
  config: StoreConfig,
  now: () => number,
  log: Logger = createLog('info', 'store'),
): Promise<SessionStore> {
  if (config.kind === 'redis') return openRedisStore(config, { now, log });
  return openEmbeddedStore({ path: config.path, maxBytes: config.max_bytes, now });
}

/** Null for the embedded store: its workers have one parent, and hear of revocations through it. */
export function openChannel(config: StoreConfig, options: RedisChannelOptions): RedisChannel | null {
  return config.kind === 'redis' ? openRedisChannel(config, options) : null;
}
