// A Lua script that Redis runs as one command. It touches one key, so that a Cluster will do.
import { createHash } from 'node:crypto';
import type { Cluster, Redis } from 'ioredis';
import type { RedisConnection } from './redis-connection.js';
import { RedisFailure } from './redis-failure.js';

/** Deletes a key that still holds what it is compared with; 1 when it did. */
export const DELETE_IF_EQUAL = `if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`;

/** By its hash; in full when the server does not know it yet, as after a restart or a fail-over. */
export async function runScript(
  redis: RedisConnection,
  source: string,
  key: string,
  args: readonly string[],
): Promise<unknown> {
  const hash = createHash('sha1').update(source).digest('hex');
  const short = (client: Redis | Cluster) => client.evalsha(hash, 1, key, ...args);
  try {
    return await redis.run('EVALSHA', short);
  } catch (error) {
    if (!(error instanceof RedisFailure) || error.reply !== 'NOSCRIPT') throw error;
    return redis.run('EVAL', (client) => client.eval(source, 1, key, ...args));
  }
}
