// The Redis store where servers come and go: Sentinel with a fail-over, a Cluster with a slot that moves. Operations run all the
// time, and each is counted: it succeeded, or it was unavailable within its bound. What was acknowledged is there afterwards.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Cluster } from 'ioredis';
import { pino } from 'pino';
import { AkproxError } from '../../../src/infra/errors.js';
import { openChannel } from '../../../src/session/open-store.js';
import { openRedisStore } from '../../../src/session/redis/redis-store.js';
import type { Revocation } from '../../../src/session/revocation.js';
import type { SessionStore } from '../../../src/session/store.js';
import { redisStoreOf } from '../../kit/application.js';
import { describeWith } from '../../kit/needs.js';
import {
  type RedisCluster,
  redisMissing,
  type SentinelSet,
  startCluster,
  startSentinel,
} from '../../kit/redis-server.js';
import { until } from '../../kit/until.js';
import { aSession, hashOf, storeContract } from '../store-contract.js';

const HOUR = 3_600_000;
const quiet = pino({ level: 'silent' });

interface Load {
  readonly acknowledged: string[];
  readonly counts: { ok: number; unavailable: number };
  stop(): Promise<void>;
}

/** Puts new sessions and reads old ones, one after the other in each lane, and judges every answer: one that never comes holds up `stop`. */
function putAndRead(store: SessionStore, known: string, lanes: number): Load {
  const acknowledged: string[] = [];
  const counts = { ok: 0, unavailable: 0 };
  let running = true;
  async function judge(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      counts.ok += 1;
      return true;
    } catch (error) {
      assert.ok(error instanceof AkproxError && error.code === 'store_unavailable', String(error));
      counts.unavailable += 1;
      return false;
    }
  }
  async function lane(number: number): Promise<void> {
    for (let i = 0; running; i += 1) {
      const name = `lane ${number} ${i}`;
      const put = () => store.put(aSession(name, Date.now() + HOUR, { subject: `user ${i % 5}` }));
      if (await judge(put)) acknowledged.push(name);
      await judge(async () => assert.notEqual(await store.get(hashOf(known)), null, 'a valid session was denied'));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  const work = Promise.all(Array.from({ length: lanes }, (_, i) => lane(i)));
  work.catch(() => undefined);
  return {
    acknowledged,
    counts,
    stop: async () => {
      running = false;
      await work;
    },
  };
}

const closers: { close(): Promise<void> }[] = [];
function closedAfterwards<T extends { close(): Promise<void> }>(what: T | null): T {
  assert.ok(what !== null);
  closers.push(what);
  return what;
}

describeWith(redisMissing(), 'the store where servers come and go', () => {
  afterEach(() => Promise.all(closers.splice(0).map((what) => what.close())));

  describe('Sentinel', () => {
    let set: SentinelSet;
    before(async () => {
      set = await startSentinel({ data: 'd4ta', sentinel: 's3ntinel' });
    });
    after(() => set.stop());
    const facts = (own: Record<string, unknown> = {}) => ({
      sentinels: set.sentinels,
      name: 'akprox',
      password: 'd4ta',
      sentinel_password: 's3ntinel',
      db: 2,
      ...own,
    });
    const open = (own: Record<string, unknown> = {}) =>
      openRedisStore(redisStoreOf(facts(own)), { now: Date.now, log: quiet });

    test('a wrong password says whose it is', async () => {
      const refused = (pattern: RegExp) => (error: unknown) => {
        assert.ok(error instanceof AkproxError && error.code === 'store_unusable', String(error));
        assert.match(error.message, pattern);
        return true;
      };
      await assert.rejects(open({ password: 'wr0ng' }), refused(/^store\.password: .*WRONGPASS/));
      await assert.rejects(open({ sentinel_password: 'wr0ng' }), refused(/^store\.sentinel_password: .*WRONGPASS/));
      await assert.rejects(open({ sentinel_password: undefined }), refused(/^store\.sentinel_password: .*NOAUTH/));
    });

    test('kill -9 of the primary under load', async () => {
      const store = closedAfterwards(await open());
      const listen = async (nodeId: string) =>
        closedAfterwards(
          await openChannel(redisStoreOf(facts()), { log: quiet, monotonic: () => performance.now(), nodeId }),
        );
      const [channel, other] = [await listen('a'), await listen('b')];
      assert.ok(channel && other);
      const heard: Revocation[] = [];
      let gaps = 0;
      other.subscribe((revocation) => heard.push(revocation));
      other.onGap(() => {
        gaps += 1;
      });
      await until(() => channel.connected && other.connected);
      await store.put(aSession('known', Date.now() + HOUR));
      const load = putAndRead(store, 'known', 3);
      await until(() => load.acknowledged.length > 100);
      const settled = load.acknowledged.length - 50;
      // Replication is asynchronous: what was acknowledged up to here has certainly arrived.
      assert.equal(await set.primary.client.wait(1, 5_000), 1);
      await set.primary.kill();
      await until(() => load.counts.unavailable > 0);
      await until(() => !channel.connected && !other.connected);
      // Said while nobody is there: it waits. Whoever is back only after it was told has a gap instead.
      channel.publish({ keys: ['told later'], source: 'operator', at: Date.now() });
      const before = load.acknowledged.length;
      await until(() => load.acknowledged.length > before + 100);
      await load.stop();
      for (const name of load.acknowledged.slice(0, settled))
        assert.notEqual(await store.get(hashOf(name)), null, name);
      for (const name of load.acknowledged.slice(before + 10)) {
        assert.notEqual(await store.get(hashOf(name)), null, name);
      }
      assert.match(await set.replica.client.info('replication'), /role:master/);
      assert.match(await set.replica.client.info('keyspace'), /db2:/);
      const found = await Promise.all([0, 1, 2, 3, 4].map((i) => store.deleteSubject(hashOf(`wiki/user ${i}`))));
      assert.ok(found.flat().length >= load.acknowledged.length - 10);
      await until(() => channel.connected && other.connected);
      assert.ok(gaps >= 2);
      channel.publish({ keys: ['now'], source: 'operator', at: Date.now() });
      await until(() => heard.some(({ keys }) => keys.includes('now')));
    });
  });

  describe('Cluster', () => {
    let cluster: RedisCluster;
    let admin: Cluster;
    before(async () => {
      cluster = await startCluster(6);
      admin = new Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })));
      await until(() => admin.status === 'ready');
    });
    after(async () => {
      admin.disconnect();
      await cluster.stop();
    });
    const config = () => redisStoreOf({ cluster: cluster.addresses.slice(0, 2) });
    const open = (now = Date.now) => openRedisStore(config(), { now, log: quiet });
    const empty = () => Promise.all(admin.nodes('master').map((node) => node.flushall()));

    storeContract(
      'redis cluster',
      async (now) => {
        await empty();
        const store = await open(now);
        return {
          store,
          reopen: () => open(now),
          corrupt: async (key) => {
            await admin.set(`akprox:s:{${key}}`, 'xyz', 'KEEPTTL');
          },
          cleanup: async () => {
            await store.close();
            await empty();
          },
        };
      },
      { movesTime: false },
    );

    test('slots move to another node under load', async () => {
      const store = closedAfterwards(await open());
      const session = aSession('known', Date.now() + HOUR);
      await store.put(session);
      const load = putAndRead(store, 'known', 3);
      await until(() => load.acknowledged.length > 30);
      const [first] = cluster.nodes;
      for (const name of [session.key, session.subject, hashOf('wiki/user 1'), hashOf(load.acknowledged[3] ?? '')]) {
        const slot = await first?.client.cluster('KEYSLOT', name);
        await cluster.moveSlot(Number(slot));
      }
      const before = load.acknowledged.length;
      await until(() => load.acknowledged.length > before + 30);
      await load.stop();
      assert.equal(load.counts.unavailable, 0);
      for (const name of load.acknowledged) assert.notEqual(await store.get(hashOf(name)), null, name);
      const found = await Promise.all([0, 1, 2, 3, 4].map((i) => store.deleteSubject(hashOf(`wiki/user ${i}`))));
      assert.equal(found.flat().length, load.acknowledged.length);
    });

    test('a primary is killed: the rest goes on, its replica takes over, and channels find another node', async () => {
      const store = closedAfterwards(await open());
      const channels = await Promise.all(
        ['a', 'b', 'c'].map(async (nodeId) =>
          closedAfterwards(await openChannel(config(), { log: quiet, monotonic: () => performance.now(), nodeId })),
        ),
      );
      const heard = new Set<string>();
      for (const [i, channel] of channels.entries()) {
        channel.subscribe(({ keys }) => {
          for (const key of keys) heard.add(`${i} ${key}`);
        });
      }
      await until(() => channels.every((channel) => channel.connected));
      channels[0]?.publish({ keys: ['x'], source: 'sign_out', at: Date.now() });
      await until(() => heard.has('1 x') && heard.has('2 x'));
      await cluster.nodes[0]?.kill();
      const session = (i: number) => aSession(`after ${i}`, Date.now() + HOUR);
      await until(async () => {
        for (let i = 0; i < 60; i += 1) await store.put(session(i));
        return true;
      });
      await until(() => channels.every((channel) => channel.connected));
      channels[1]?.publish({ keys: ['y'], source: 'sign_out', at: Date.now() });
      await until(() => heard.has('0 y') && heard.has('2 y'));
    });
  });
});
