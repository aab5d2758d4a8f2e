// Revocations over Redis: heard by the others, quickly; a channel that was deaf says so; what was said meanwhile is told.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { pino } from 'pino';
import { openChannel } from '../../../src/session/open-store.js';
import { openRedisChannel } from '../../../src/session/redis/redis-channel.js';
import type { Revocation, SharedChannel } from '../../../src/session/revocation.js';
import { configOf, redisStoreOf } from '../../kit/application.js';
import { describeWith } from '../../kit/needs.js';
import { type RedisServer, redisMissing, startRedis } from '../../kit/redis-server.js';
import { startProxy } from '../../kit/tcp-proxy.js';
import { PATIENCE_MS, until } from '../../kit/until.js';

const quiet = pino({ level: 'silent' });

interface Ear {
  readonly channel: SharedChannel;
  readonly heard: Revocation[];
  /** Keys in the cache that the owner of a channel would have. */
  gaps: number;
}

describeWith(redisMissing(), 'the channel on a real Redis', () => {
  describe('redis channel', () => {
    let redis: RedisServer;
    const closers: (() => unknown)[] = [];
    before(async () => {
      redis = await startRedis();
    });
    after(() => redis.stop());
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
    });

    function listen(nodeId: string, facts: { url?: string; log?: pino.Logger; monotonic?: () => number } = {}): Ear {
      const store = redisStoreOf({ url: facts.url ?? redis.url });
      const options = {
        log: facts.log ?? quiet,
        monotonic: facts.monotonic ?? (() => performance.now()),
        nodeId,
        heartbeatMs: 200,
      };
      const ear: Ear = { channel: openRedisChannel(store, options), heard: [], gaps: 0 };
      ear.channel.subscribe((revocation) => ear.heard.push(revocation));
      ear.channel.onGap(() => {
        ear.gaps += 1;
      });
      closers.push(() => ear.channel.close());
      return ear;
    }
    const connected = (...ears: Ear[]) => until(() => ears.every(({ channel }) => channel.connected));

    test('the embedded store needs none', async () => {
      const { store } = configOf({ store: { kind: 'embedded' } });
      assert.equal(await openChannel(store, { log: quiet, monotonic: () => performance.now(), nodeId: 'a' }), null);
    });

    test('everybody else hears it, once, and the speaker does not; two workers may have one name', async () => {
      const [a, b, c] = [listen('a'), listen('a'), listen('c')];
      await connected(a, b, c);
      assert.deepEqual([a.gaps, b.gaps, c.gaps], [1, 1, 1]);
      const revocation: Revocation = { keys: ['k1', 'k2'], source: 'sign_out', at: Date.now() };
      a.channel.publish(revocation);
      c.channel.publish({ ...revocation, keys: ['k3'] });
      await until(() => a.heard.length === 1 && b.heard.length === 2 && c.heard.length === 1);
      assert.deepEqual(c.heard, [revocation]);
      assert.deepEqual(a.heard[0]?.keys, ['k3']);
    });

    // How fast is for the bench to say. Whoever waited for a timer would take minutes.
    test('1000 revocations, one after the other: each is heard, in order', { timeout: PATIENCE_MS }, async () => {
      const [a, b] = [listen('a'), listen('b')];
      await connected(a, b);
      let told = (): void => {};
      b.channel.subscribe(() => told());
      for (let i = 0; i < 1_000; i += 1) {
        const heard = new Promise<void>((resolve) => {
          told = resolve;
        });
        a.channel.publish({ keys: [`k${i}`], source: 'backchannel', at: i });
        await heard;
      }
      assert.deepEqual(
        b.heard.map(({ at }) => at),
        Array.from({ length: 1_000 }, (_, i) => i),
      );
    });

    test('a long list comes in parts, and all of it', async () => {
      const [a, b] = [listen('a'), listen('b')];
      await connected(a, b);
      const keys = Array.from({ length: 5_000 }, (_, i) => `key ${i}`);
      a.channel.publish({ keys, source: 'operator', at: 5 });
      await until(() => b.heard.flatMap((revocation) => revocation.keys).length === keys.length);
      assert.ok(b.heard.length > 1);
      assert.deepEqual(new Set(b.heard.flatMap((revocation) => revocation.keys)), new Set(keys));
      assert.ok(b.heard.every(({ source, at }) => source === 'operator' && at === 5));
    });

    test('what is no revocation is ignored, and logged once', async () => {
      const lines: string[] = [];
      const a = listen('a', { log: pino({ level: 'warn' }, { write: (line: string) => lines.push(line) }) });
      const b = listen('b');
      await connected(a, b);
      const good = { v: 1, from: 'x', source: 'operator', at: 1, keys: ['k'] };
      for (const bad of [
        '',
        '{',
        'null',
        '[]',
        ...[{ v: 2 }, { from: 1 }, { source: 'toString' }, { at: '1' }, { keys: 'k' }, { keys: [1] }].map((wrong) =>
          JSON.stringify({ ...good, ...wrong }),
        ),
      ]) {
        await redis.client.publish('akprox:revoked', bad);
      }
      b.channel.publish({ keys: ['good'], source: 'operator', at: 1 });
      await until(() => a.heard.length > 0);
      assert.deepEqual(
        a.heard.map(({ keys }) => keys),
        [['good']],
      );
      assert.equal(lines.filter((line) => line.includes('malformed')).length, 1);
    });

    test('the server is killed and comes back: deaf, then a gap, and what was said meanwhile is told', async () => {
      const own = await startRedis();
      closers.push(() => own.stop());
      const [a, b] = [listen('a', { url: own.url }), listen('b', { url: own.url })];
      await connected(a, b);
      await own.kill();
      await until(() => !a.channel.connected && !b.channel.connected);
      a.channel.publish({ keys: ['meanwhile'], source: 'sign_out', at: Date.now() });
      assert.deepEqual([a.gaps, b.gaps], [1, 1]);
      await own.restart();
      await connected(a, b);
      assert.deepEqual([a.gaps, b.gaps], [2, 2]);
      // Told when the speaker was back; the other may have come back only after that, and then has its gap.
      await until(() => b.heard.length > 0 || b.gaps === 2);
      a.channel.publish({ keys: ['now'], source: 'sign_out', at: Date.now() });
      await until(() => b.heard.some(({ keys }) => keys.includes('now')));
    });

    test('what waits is told on the first chance, is bounded, and grows too old', async () => {
      const proxy = await startProxy(redis.port);
      closers.push(() => proxy.stop());
      let time = 1_000_000;
      const b = listen('b');
      await connected(b);
      // It begins deaf: its connection is accepted and never answered.
      proxy.silent = true;
      const a = listen('a', { url: `redis://127.0.0.1:${proxy.port}`, monotonic: () => time });
      a.channel.publish({ keys: ['too old'], source: 'sign_out', at: time });
      time += 600_001;
      for (let i = 0; i < 21; i += 1) {
        a.channel.publish({ keys: Array.from({ length: 5_000 }, (_, j) => `${i} ${j}`), source: 'sign_out', at: i });
      }
      proxy.silent = false;
      await connected(a);
      await until(() => b.heard.some(({ keys }) => keys.includes('20 4999')));
      const keys = b.heard.flatMap((revocation) => revocation.keys);
      assert.equal(keys.length, 100_000);
      assert.ok(!keys.includes('too old') && !keys.includes('0 0') && keys.includes('1 0'));
    });

    test('a half-open connection is noticed, left, and healed', async () => {
      const proxy = await startProxy(redis.port);
      closers.push(() => proxy.stop());
      const [a, b] = [listen('a', { url: `redis://127.0.0.1:${proxy.port}` }), listen('b')];
      await connected(a, b);
      proxy.silent = true;
      b.channel.publish({ keys: ['lost'], source: 'sign_out', at: Date.now() });
      await until(() => !a.channel.connected);
      assert.equal(a.gaps, 1);
      proxy.silent = false;
      await connected(a);
      assert.equal(a.gaps, 2);
      assert.deepEqual(a.heard, []);
      b.channel.publish({ keys: ['heard'], source: 'sign_out', at: Date.now() });
      await until(() => a.heard.length === 1);
    });

    test('after close it neither hears nor dials', async () => {
      const [a, b] = [listen('a'), listen('b')];
      await connected(a, b);
      b.channel.publish({ keys: ['last words'], source: 'sign_out', at: Date.now() });
      await b.channel.close();
      await until(() => a.heard.length === 1);
      a.channel.publish({ keys: ['unheard'], source: 'sign_out', at: Date.now() });
      const names = async () => String(await redis.client.call('CLIENT', 'LIST')).match(/name=akprox-channel/g)?.length;
      await until(async () => (await names()) === 1);
      assert.equal(b.channel.connected, false);
      assert.deepEqual(b.heard, []);
    });
  });
});
