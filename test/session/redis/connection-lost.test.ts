// A server that goes on but closes connections: nobody's question fails, and what is asked twice is done once.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { openRedisChannel } from '../../../src/session/redis/redis-channel.js';
import { openRedisStore, type RedisSessionStore } from '../../../src/session/redis/redis-store.js';
import type { SharedChannel } from '../../../src/session/revocation.js';
import { redisStoreOf } from '../../kit/application.js';
import { describeWith } from '../../kit/needs.js';
import { type RedisServer, redisMissing, startRedis } from '../../kit/redis-server.js';
import { startProxy, type TcpProxy } from '../../kit/tcp-proxy.js';
import { until } from '../../kit/until.js';
import { aSession, hashOf } from '../store-contract.js';

const HOUR = 3_600_000;

function listening() {
  const lines: { msg: string; held?: number }[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  return { log, lines };
}

describeWith(redisMissing(), 'a Redis that closes connections', () => {
  let redis: RedisServer;
  const closers: (() => unknown)[] = [];
  before(async () => {
    redis = await startRedis();
  });
  after(() => redis.stop());
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
    await redis.client.config('SET', 'timeout', '0');
    await redis.client.flushall();
  });

  const { log, lines } = listening();
  async function open(port = redis.port): Promise<RedisSessionStore> {
    const store = await openRedisStore(redisStoreOf({ url: `redis://127.0.0.1:${port}` }), { now: Date.now, log });
    closers.push(() => store.close());
    return store;
  }
  const killClients = (type: string) => redis.client.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');

  it('while everything is asked: no answer is missing and none is wrong', async () => {
    const store = await open();
    const session = aSession('one', Date.now() + HOUR);
    await store.put(session);
    const lane = async (number: number) => {
      for (let i = 0; i < 60; i += 1) {
        if (number === 0) await killClients('normal');
        const own = aSession(`own ${number} ${i}`, Date.now() + HOUR, { subject: `user ${number} ${i}` });
        assert.notEqual(await store.get(session.key), null);
        await store.put(own);
        assert.equal(await store.replace(own), true);
        assert.deepEqual(await store.listSubject(own.subject), [own.key]);
        const [ended] = await store.deleteSubject(own.subject);
        assert.equal(ended, own.key);
        assert.equal(await store.get(own.key), null);
        const token = `token ${i}`;
        assert.equal(await store.leases.acquire(`work ${number} ${i}`, 60_000, token), true);
        assert.equal(await store.leases.acquire(`work ${number} ${i}`, 60_000, 'other'), false);
        await store.leases.release(`work ${number} ${i}`, token);
        assert.equal(await store.leases.acquire(`work ${number} ${i}`, 60_000, 'other'), true);
      }
    };
    await Promise.all([0, 1, 2, 3].map(lane));
  });

  it('because they are idle: the next question is answered, and the log is not filled', async () => {
    const store = await open();
    const session = aSession('one', Date.now() + HOUR);
    await store.put(session);
    const before = lines.length;
    for (let i = 0; i < 20; i += 1) {
      await killClients('normal');
      assert.notEqual(await store.get(session.key), null);
    }
    const since = lines.slice(before).map(({ msg }) => msg);
    assert.ok(since.length <= 2, since.join('\n'));
  });

  it('by `timeout 1`: the next question is answered', async () => {
    const store = await open();
    const session = aSession('one', Date.now() + HOUR);
    await store.put(session);
    const idOf = async () =>
      /id=(\d+)[^\n]* name=akprox /.exec(String(await redis.client.call('CLIENT', 'LIST', 'TYPE', 'normal')))?.[1];
    const first = await idOf();
    await redis.client.config('SET', 'timeout', '1');
    await until(async () => ![undefined, first].includes(await idOf()));
    assert.notEqual(await store.get(session.key), null);
  });

  it('of subscribers: they are made anew, and say that something may have been missed', async () => {
    const ears: { channel: SharedChannel; heard: string[]; gaps: number }[] = [];
    for (const nodeId of ['a', 'b']) {
      const channel = openRedisChannel(redisStoreOf({ url: `redis://127.0.0.1:${redis.port}` }), {
        log,
        monotonic: () => performance.now(),
        nodeId,
      });
      const ear = { channel, heard: [] as string[], gaps: 0 };
      channel.subscribe(({ keys }) => ear.heard.push(...keys));
      channel.onGap(() => {
        ear.gaps += 1;
      });
      closers.push(() => channel.close());
      ears.push(ear);
    }
    const [a, b] = ears;
    assert.ok(a && b);
    await until(() => a.gaps === 1 && b.gaps === 1);
    for (let round = 1; round <= 5; round += 1) {
      await killClients('pubsub');
      // Said while nobody hears it: it is kept until it has been said.
      a.channel.publish({ keys: [`k${round}`], source: 'sign_out', at: Date.now() });
      await until(() => a.gaps === round + 1 && b.gaps === round + 1);
      a.channel.publish({ keys: [`l${round}`], source: 'sign_out', at: Date.now() });
      await until(() => b.heard.includes(`l${round}`));
    }
  });

  describe('before the answer has come', () => {
    let proxy: TcpProxy;
    let store: RedisSessionStore;
    const session = aSession('one', Date.now() + HOUR);
    /** The command arrives and is run; of its answer nothing comes back. */
    const cut = () => {
      proxy.cutAfter = 0;
    };
    const prepare = async () => {
      proxy = await startProxy(redis.port);
      closers.push(() => proxy.stop());
      store = await open(proxy.port);
    };

    it('of a read', async () => {
      await prepare();
      await store.put(session);
      cut();
      assert.notEqual(await store.get(session.key), null);
    });

    it('of a new session and of one that is replaced', async () => {
      await prepare();
      cut();
      await store.put(session);
      cut();
      assert.equal(await store.replace(session), true);
      assert.deepEqual(await store.deleteSubject(session.subject), [session.key]);
      assert.equal(await redis.client.exists(`akprox:s:{${session.key}}`), 0);
    });

    it('of a deletion: it is told of, although the second answer is that there is nothing', async () => {
      await prepare();
      await store.put(session);
      proxy.cutAnswerTo = '\r\nDEL\r\n';
      assert.deepEqual(await store.deleteSubject(session.subject), [session.key]);
      assert.equal(proxy.cutAnswerTo, null);
      assert.equal(await store.get(session.key), null);
    });

    it('of a lease: it is held by whoever asked', async () => {
      await prepare();
      cut();
      assert.equal(await store.leases.acquire('work', 60_000, 'mine'), true);
      assert.equal(await store.leases.acquire('work', 60_000, 'other'), false);
      cut();
      assert.equal(await store.leases.acquire('work', 60_000, 'other'), false);
    });
  });

  it('is asked about nobody for ever: what Redis does not answer in time fails', async () => {
    const store = await open();
    await redis.client.call('CLIENT', 'PAUSE', '900', 'ALL');
    await assert.rejects(store.get(hashOf('nobody')), { code: 'store_unavailable' });
  });
});
