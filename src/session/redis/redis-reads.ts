// Reads of sessions. Many checks come in with one turn of the event loop: what they ask for is one command, MGET, whose price on our
// side is that of two or three single ones. In a Cluster a command has the keys of one slot only, so there each read is its own.
import { Redis } from 'ioredis';
import type { RedisConnection } from './redis-connection.js';

/** Keys of one command: Redis does nothing else while it runs it. */
const MOST_KEYS = 128;

interface Read {
  readonly name: string;
  readonly resolve: (bytes: Buffer | null) => void;
  readonly reject: (error: unknown) => void;
}

export class RedisReads {
  private readonly redis: RedisConnection;
  private waiting: Read[] = [];

  constructor(redis: RedisConnection) {
    this.redis = redis;
  }

  /**
   * What is under a key, or null. Rejects with a `RedisFailure`. A key that holds another type than ours may be null or a failure
   * (`isWrongType`): MGET does not tell.
   */
  get(name: string): Promise<Buffer | null> {
    if (!(this.redis.client instanceof Redis)) return this.getAlone(name);
    return new Promise((resolve, reject) => {
      this.waiting.push({ name, resolve, reject });
      if (this.waiting.length === MOST_KEYS) this.ask();
      else if (this.waiting.length === 1) setImmediate(() => this.ask());
    });
  }

  private ask(): void {
    const reads = this.waiting;
    const [first] = reads;
    // What was waiting when this turn began may have been asked for already.
    if (first === undefined) return;
    this.waiting = [];
    if (reads.length === 1) {
      this.getAlone(first.name).then(first.resolve, first.reject);
      return;
    }
    const names = reads.map(({ name }) => name);
    this.redis
      .run('MGET', (client) => client.mgetBuffer(names))
      .then(
        (values) => {
          for (let i = 0; i < reads.length; i += 1) reads[i]?.resolve(values[i] ?? null);
        },
        (error: unknown) => {
          for (const read of reads) read.reject(error);
        },
      );
  }

  private getAlone(name: string): Promise<Buffer | null> {
    return this.redis.run('GET', (client) => client.getBuffer(name));
  }
}
