// Leases in Redis: `<prefix>l:{hash of the name}` holds the owner's token, and goes by itself when its time is over.
import { createHash } from 'node:crypto';
import type { LeaseStore } from '../lease.js';
import type { RedisConnection } from './redis-connection.js';
import { DELETE_IF_EQUAL, runScript } from './redis-script.js';

export function createRedisLeases(redis: RedisConnection, prefix: string): LeaseStore {
  const nameOf = (name: string) => `${prefix}l:{${createHash('sha256').update(name).digest('base64url')}}`;
  return {
    async acquire(name, ttlMs, token) {
      let asked = 0;
      const answer = await redis.run('SET', (client) => {
        asked += 1;
        return client.set(nameOf(name), token, 'PX', Math.ceil(ttlMs), 'NX');
      });
      if (answer !== null) return true;
      // The first answer was lost: it may be ours already.
      return asked > 1 && (await redis.run('GET', (client) => client.get(nameOf(name)))) === token;
    },
    async isHeld(name) {
      return (await redis.run('EXISTS', (client) => client.exists(nameOf(name)))) === 1;
    },
    async release(name, token) {
      return (await runScript(redis, DELETE_IF_EQUAL, nameOf(name), [token])) === 1;
    },
  };
}
