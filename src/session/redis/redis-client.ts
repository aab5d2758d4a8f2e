// How ioredis is told to connect: one client for the store, which reconnects for ever, and one for each attempt of the channel.
import { Cluster, Redis } from 'ioredis';
import { waitAfter } from '../../infra/backoff.js';
import { MOVED } from './redis-failure.js';
import { clusterLookup, RECONNECTS, type RedisTarget, type ServerOptions } from './redis-options.js';

/** A connection on which nothing has arrived for this long, though something was asked, is dead. */
const SILENCE_MS = 2_000;
export function createClient(target: RedisTarget, random: () => number): Redis | Cluster {
  const retry = (attempt: number) => waitAfter(attempt, { ...RECONNECTS, random });
  const common: ServerOptions = {
    ...target.options,
    protocol: 2,
    socketTimeout: SILENCE_MS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    // After a fail-over the old primary is a replica: ask again who the primary is. LOADING: the ready check waits it out.
    reconnectOnError: (error) => MOVED.test(error.message),
  };
  if (target.kind === 'cluster') {
    return new Cluster([...target.addresses], {
      ...clusterLookup(target),
      enableOfflineQueue: false,
      redisOptions: common,
      clusterRetryStrategy: retry,
      slotsRefreshTimeout: 1_000,
      slotsRefreshInterval: 5_000,
      maxRedirections: 8,
      retryDelayOnFailover: 50,
      retryDelayOnClusterDown: 100,
      retryDelayOnTryAgain: 50,
    });
  }
  const [address] = target.kind === 'single' ? target.addresses : [];
  return new Redis({
    ...common,
    ...(address !== undefined && { ...address }),
    enableOfflineQueue: false,
    retryStrategy: retry,
    sentinelRetryStrategy: retry,
  });
}

/**
 * One attempt at a connection for the owner to watch: it never reconnects, so that no loss goes unnoticed. RESP3: it may
 * publish and subscribe at once (Redis 6). In a Cluster it is a connection to one node, `address`: what is published on any node
 * reaches all.
 */
export function connectOnce(target: RedisTarget, address: { host: string; port: number } | null): Redis {
  return new Redis({
    ...target.options,
    ...(address !== null && { host: address.host, port: address.port }),
    protocol: 3,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: null,
    sentinelRetryStrategy: () => null,
    connectionName: 'akprox-channel',
  });
}

/** Rejects when `work` takes longer; what it does later is ignored. */
export function bounded<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      // When this process was held up, the answer may have come and not been read: one more turn of the event loop is for that.
      setImmediate(() => reject(new Error(`no answer within ${milliseconds} ms`)));
    }, milliseconds);
    // Each further `then` would be one more promise for each check that is not cached.
    work.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}
