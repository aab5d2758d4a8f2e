// Values that the fleet shares, in Redis: `<prefix>v:{hash of the name}`, a text that goes by itself when its time is over.
import { createHash } from 'node:crypto';
import { AkproxError } from '../../infra/errors.js';
import type { SharedValues } from '../shared-values.js';
import type { RedisConnection } from './redis-connection.js';
import { isWrongType } from './redis-failure.js';
import { DELETE_IF_EQUAL, runScript } from './redis-script.js';

export function createRedisValues(redis: RedisConnection, prefix: string, now: () => number): SharedValues {
  const nameOf = (name: string) => `${prefix}v:{${createHash('sha256').update(name).digest('base64url')}}`;
  const get = async (name: string): Promise<string | null> => {
    try {
      return await redis.run('GET', (client) => client.get(nameOf(name)));
    } catch (error) {
      if (!isWrongType(error)) throw error;
      await redis.run('DEL', (client) => client.del(nameOf(name)));
      return null;
    }
  };
  return {
    get,
    async getOrPut(name, value, expiresAt) {
      // Twice: what was there may have been no text, or its time ran out between the two questions.
      for (let attempt = 0; attempt < 2; attempt += 1) {
        const ttl = Math.max(1, Math.ceil(expiresAt - now()));
        const put = await redis.run('SET', (client) => client.set(nameOf(name), value, 'PX', ttl, 'NX'));
        const there = put === null ? await get(name) : value;
        if (there !== null) return there;
      }
      throw new AkproxError('store_unavailable', 'a shared value could not be saved in Redis');
    },
    async remove(name, value) {
      return (await runScript(redis, DELETE_IF_EQUAL, nameOf(name), [value])) === 1;
    },
  };
}
