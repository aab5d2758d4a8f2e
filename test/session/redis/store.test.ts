// The Redis store against one real server: the contract, bad values, and every way in which a server can be bad.
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { pino } from 'pino';
import { AkproxError } from '../../../src/infra/errors.js';
import { openRedisStore, type RedisSessionStore } from '../../../src/session/redis/redis-store.js';
import { makeApplication, redisStoreOf } from '../../kit/application.js';
import { describeWith } from '../../kit/needs.js';
import { makeCertificate, type RedisServer, redisMissing, startRedis } from '../../kit/redis-server.js';
import { makeSessions } from '../../kit/sessions.js';
import { startProxy } from '../../kit/tcp-proxy.js';
import { settlesAtOnce, until } from '../../kit/until.js';
import { aSession, hashOf, storeContract } from '../store-contract.js';

const HOUR = 3_600_000;
const quiet = pino({ level: 'silent' });

function open(facts: Record<string, unknown>, log = quiet): Promise<RedisSessionStore> {
  return openRedisStore(redisStoreOf(facts), { now: Date.now, log });
}

/** Lines that a logger wrote. */
function listening(): { log: pino.Logger; lines: { level: number; msg: string; reason?: string }[] } {
  const lines: { level: number; msg: string }[] = [];
  return { lines, log: pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) }) };
}

async function unavailable(work: Promise<unknown>): Promise<AkproxError> {
  const error = await work.then(
    () => assert.fail('expected store_unavailable'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof AkproxError && error.code === 'store_unavailable', String(error));
  return error;
}

/** The same, for what must not wait until a command has taken too long. */
async function unavailableAtOnce(work: Promise<unknown>): Promise<AkproxError> {
  assert.ok(await settlesAtOnce(work), 'it waits');
  return unavailable(work);
}

describeWith(redisMissing(), 'the store on a real Redis', () => {
  let shared: RedisServer;
  before(async () => {
    shared = await startRedis();
  });
  after(() => shared.stop());

  storeContract(
    'redis',
    async (now) => {
      await shared.client.flushall();
      const config = redisStoreOf({ url: shared.url });
      const store = await openRedisStore(config, { now, log: quiet });
      return {
        store,
        reopen: () => openRedisStore(config, { now, log: quiet }),
        corrupt: async (key) => {
          assert.equal(await shared.client.exists(`akprox:s:{${key}}`), 1);
          await shared.client.set(`akprox:s:{${key}}`, Buffer.from([1, 2, 3]), 'KEEPTTL');
        },
        cleanup: async () => {
          await store.close();
          await shared.client.flushall();
        },
      };
    },
    { movesTime: false },
  );

  describe('redis store', () => {
    let store: RedisSessionStore;
    const closers: (() => unknown)[] = [];
    before(async () => {
      store = await open({ url: shared.url });
    });
    after(() => store.close());
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
      await shared.client.flushall();
    });

    test('every key has a TTL that covers the session, and the indexes outlive it', async () => {
      await store.put(aSession('one', Date.now() + HOUR));
      await store.put(aSession('two', Date.now() + 2 * HOUR, { subject: 'bob' }));
      await store.replace(aSession('one', Date.now() + 3 * HOUR));
      await store.leases.acquire('refresh', 5_000, 'me');
      const keys = await shared.client.keys('*');
      assert.equal(keys.length, 2 + 2 + 2 + 2 + 1 + 1 + 1);
      for (const key of keys) {
        assert.ok(key.startsWith('akprox:'), key);
        const ttl = await shared.client.pttl(key);
        assert.ok(ttl > 0 && ttl <= 3 * HOUR + 600_000, `${key} ${ttl}`);
      }
      assert.ok((await shared.client.pttl(`akprox:u:{${hashOf('wiki/alice')}}`)) > 3 * HOUR);
    });

    test('a session ends in Redis when it ends', async () => {
      const session = aSession('short', Date.now() + 80);
      await store.put(session);
      await until(async () => (await shared.client.exists(`akprox:s:{${session.key}}`)) === 0);
      assert.equal(await store.get(session.key), null);
      assert.deepEqual({ ...(await store.stats()).sessions }, {});
      await store.put(aSession('over', Date.now() - 1));
      assert.equal(await shared.client.exists(`akprox:s:{${hashOf('over')}}`), 0);
    });

    test('an unknown session costs one command', async () => {
      await shared.client.config('RESETSTAT');
      await store.get(hashOf('nobody'));
      const stats = await shared.client.info('commandstats');
      assert.match(stats, /cmdstat_get:calls=1,/);
      assert.doesNotMatch(stats, /cmdstat_(?!get|config|info)/);
    });

    test('sessions that are asked for in one turn of the event loop cost one command', async () => {
      await shared.client.config('RESETSTAT');
      await Promise.all(Array.from({ length: 130 }, (_, i) => store.get(hashOf(`turn ${i}`))));
      const stats = await shared.client.info('commandstats');
      assert.match(stats, /cmdstat_mget:calls=2,/);
      assert.doesNotMatch(stats, /cmdstat_(?!mget|config|info)/);
    });

    test('a foreign type among those of one turn is none, and costs no other', async () => {
      const session = aSession('one', Date.now() + HOUR);
      await store.put(session);
      await shared.client.lpush(`akprox:s:{${hashOf('foreign')}}`, 'x');
      const [foreign, own] = await Promise.all([store.get(hashOf('foreign')), store.get(session.key)]);
      assert.equal(foreign, null);
      assert.deepEqual(Buffer.from(own ?? []), Buffer.from(session.value));
    });

    test('an answer that came while this process was held up counts', async () => {
      const session = aSession('one', Date.now() + HOUR);
      await store.put(session);
      const asked = store.get(session.key);
      // Now it is on its way, and nothing has been read since.
      await new Promise((resolve) => setImmediate(resolve));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
      assert.notEqual(await asked, null);
    });

    test('a foreign type under the key of a session or an index is none, and is removed', async () => {
      const { log, lines } = listening();
      const own = await open({ url: shared.url }, log);
      closers.push(() => own.close());
      const session = aSession('one', Date.now() + HOUR);
      await shared.client.lpush(`akprox:s:{${session.key}}`, 'x');
      await shared.client.set(`akprox:u:{${session.subject}}`, 'x');
      assert.equal(await own.get(session.key), null);
      assert.equal(await own.get(session.key), null);
      assert.equal(lines.filter(({ msg }) => msg.includes('damaged')).length, 1);
      assert.deepEqual(await own.deleteSubject(session.subject), []);
      await shared.client.set(`akprox:u:{${session.subject}}`, 'x');
      await own.put(session);
      assert.deepEqual(await own.deleteSubject(session.subject), [session.key]);
    });

    test('a session about to be written is found by whoever ends the subject next', async () => {
      const session = aSession('one', Date.now() + HOUR);
      await store.put(session);
      // As between the two steps of a put: indexed, and not there.
      await shared.client.del(`akprox:s:{${session.key}}`);
      assert.deepEqual(await store.deleteSubject(session.subject), []);
      assert.equal(await shared.client.zcard(`akprox:u:{${session.subject}}`), 1);
    });

    test('FLUSHALL: sessions are absent, and new ones work', async () => {
      const session = aSession('one', Date.now() + HOUR);
      await store.put(session);
      await shared.client.flushall();
      assert.equal(await store.get(session.key), null);
      assert.equal(await store.replace(session), false);
      await shared.client.script('FLUSH');
      await store.put(session);
      assert.notEqual(await store.get(session.key), null);
    });

    test('a lease has one owner, ends by itself, and is given back by its owner only', async () => {
      const { leases } = store;
      const taken = await Promise.all(['a', 'b', 'c', 'd'].map((token) => leases.acquire('refresh x', 10_000, token)));
      assert.equal(taken.filter(Boolean).length, 1);
      const owner = ['a', 'b', 'c', 'd'][taken.indexOf(true)] ?? '';
      assert.equal(await leases.release('refresh x', 'somebody'), false);
      assert.equal(await leases.acquire('refresh x', 10_000, 'e'), false);
      assert.equal(await leases.release('refresh x', owner), true);
      assert.equal(await leases.acquire('refresh x', 30, 'f'), true);
      await until(() => leases.acquire('refresh x', 10_000, 'g'));
      assert.equal(await leases.release('refresh x', 'f'), false);
    });

    test('a dump after a login holds nothing readable', async () => {
      const application = makeApplication();
      const sessions = makeSessions(store);
      const secrets = {
        sub: 'sub-of-alice-4711',
        sid: 'sid-of-alice-4712',
        email: 'alice@company.tld',
        name: 'Alice Liddell',
        idToken: 'eyJ.id.token',
        jwt: 'eyJ.access.token',
        refreshToken: 'refresh-token-4713',
      };
      const cookie = await sessions.create(application, {
        provider: application.id,
        claims: {
          sub: secrets.sub,
          sid: secrets.sid,
          email: secrets.email,
          name: secrets.name,
          preferredUsername: 'alice.l',
          emailVerified: true,
          groups: ['wonderland'],
          entitlements: [],
          userAttributes: { note: 'note-4714' },
        },
        createdAt: Date.now(),
        renewedAt: Date.now(),
        expiresAt: Date.now() + HOUR,
        idToken: secrets.idToken,
        jwt: secrets.jwt,
        refreshToken: secrets.refreshToken,
        loginState: 'state-4715',
        loginTarget: '/private/page',
      });
      let dump = '';
      for (const key of await shared.client.keys('*')) {
        dump += `${key}\n`;
        const type = await shared.client.type(key);
        if (type === 'string') dump += (await shared.client.getBuffer(key))?.toString('latin1');
        else dump += (await shared.client.zrange(key, '0', '-1')).join('\n');
      }
      assert.ok(dump.length > 500);
      const id = cookie.slice(0, 43);
      const words = [
        ...Object.values(secrets),
        'alice',
        'wonderland',
        'note-4714',
        'state-4715',
        '/private',
        cookie,
        id,
      ];
      for (const word of words) {
        assert.ok(!dump.toLowerCase().includes(word.toLowerCase()), word);
        assert.ok(!dump.includes(Buffer.from(word).toString('base64').slice(0, 12)), `base64 of ${word}`);
      }
      assert.ok(!dump.includes(Buffer.from(id, 'base64url').toString('latin1')));
      // It works, and a tampered value is nobody.
      assert.equal((await sessions.read(cookie, application))?.session.claims.sub, secrets.sub);
      const [name = ''] = await shared.client.keys('akprox:s:*');
      const bytes = (await shared.client.getBuffer(name)) ?? Buffer.alloc(0);
      bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
      await shared.client.set(name, bytes, 'KEEPTTL');
      assert.equal(await sessions.read(cookie, application), null);
      assert.equal(await shared.client.exists(name), 0);
    });
  });

  describe('a bad Redis', () => {
    const closers: (() => unknown)[] = [];
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
    });
    async function server(options: Parameters<typeof startRedis>[0] = {}): Promise<RedisServer> {
      const started = await startRedis(options);
      closers.push(() => started.stop());
      return started;
    }
    async function opened(facts: Record<string, unknown>, log = quiet): Promise<RedisSessionStore> {
      const store = await open(facts, log);
      closers.push(() => store.close());
      return store;
    }
    const refused = (pattern: RegExp) => (error: unknown) => {
      assert.ok(error instanceof AkproxError && error.code === 'store_unusable', String(error));
      assert.match(error.message, pattern);
      assert.doesNotMatch(error.message, /s3cret|wr0ng/);
      return true;
    };

    test('credentials, permissions and the database number are named at start', async () => {
      const { url } = await server({
        acl: [
          'user default off',
          'user akprox on >s3cret ~akprox:* &akprox:* +@all -@dangerous +info',
          'user reader on >s3cret ~akprox:* &akprox:* +@read +info',
          'user other on >s3cret ~other:* &* +@all',
        ],
      });
      const login = { username: 'akprox', password: 's3cret' };
      await assert.rejects(open({ url }), refused(/^store\.password: .*NOAUTH/));
      await assert.rejects(open({ url, ...login, password: 'wr0ng' }), refused(/store\.password: .*WRONGPASS/));
      await assert.rejects(open({ url, password: 'wr0ng' }), refused(/^store\.password: .*WRONGPASS/));
      await assert.rejects(open({ url, ...login, username: 'reader' }), refused(/^store\.username: .*SET.*NOPERM/));
      await assert.rejects(open({ url, ...login, username: 'other' }), refused(/^store\.username: .*~akprox:\*/));
      await assert.rejects(open({ url, ...login, db: 99 }), refused(/^store\.db: .*99/));
      const store = await opened({ url: url.replace('//', '//akprox:s3cret@') });
      await store.put(aSession('one', Date.now() + HOUR));
      assert.notEqual(await store.get(hashOf('one')), null);
    });

    test('TLS, an ACL user and a database number', async () => {
      const files = makeCertificate();
      closers.push(files.remove);
      const redis = await server({
        tls: files,
        acl: ['user default off', 'user akprox on >s3cret ~ak:* &ak:* +@all'],
        login: { username: 'akprox', password: 's3cret' },
      });
      const facts = { url: redis.url, username: 'akprox', password: 's3cret', db: 3, prefix: 'ak:' };
      const store = await opened({ ...facts, tls: { ca: files.ca } });
      const session = aSession('one', Date.now() + HOUR);
      await store.put(session);
      assert.equal(await store.replace(session), true);
      assert.deepEqual(await store.deleteSubject(session.subject), [session.key]);
      await store.put(session);
      assert.match(await redis.client.info('keyspace'), /db3:keys=6/);
      const insecure = await opened({ ...facts, tls: { insecure: true } });
      assert.notEqual(await insecure.get(session.key), null);
      // Without the CA it is not trusted; that may be mended on the other side, so the daemon starts, and asks nothing.
      const { log, lines } = listening();
      const untrusting = await opened(facts, log);
      assert.ok(lines.some(({ reason }) => /self[- ]signed/i.test(reason ?? '')));
      await unavailable(untrusting.get(session.key));
      await assert.rejects(open({ ...facts, tls: { ca: '/nowhere/ca.pem' } }), refused(/^store\.tls\.ca /));

      // A CA that is renewed counts from the next connection on, without a restart.
      const [ca, other] = [`${files.ca}.renewed`, makeCertificate()];
      closers.push(other.remove);
      copyFileSync(other.ca, ca);
      const renewed = await opened({ ...facts, tls: { ca } });
      await unavailable(renewed.get(session.key));
      copyFileSync(files.ca, ca);
      await until(() =>
        renewed.get(session.key).then(
          (value) => value !== null,
          () => false,
        ),
      );
    });

    test('not there at start, killed, back: unavailable at once, then used again', async () => {
      const redis = await server();
      await redis.kill();
      const { log, lines } = listening();
      const store = await opened({ url: redis.url }, log);
      assert.ok(lines.some(({ msg }) => msg.includes('starting without')));
      const error = await unavailableAtOnce(store.get('k'));
      assert.match(error.message, /GET: not connected \(.*ECONNREFUSED/);
      await redis.restart();
      const session = aSession('one', Date.now() + HOUR);
      await until(() => store.put(session).then(() => true));
      await redis.kill();
      await until(() => store.get(session.key).then(() => false, () => true)); // biome-ignore format: one thought
      // Away for longer than a command waits: then nobody waits.
      await until(() => settlesAtOnce(store.get(session.key)));
      await unavailableAtOnce(store.get(session.key));
      await redis.restart();
      await until(async () => (await store.get(session.key)) === null);
      assert.ok(lines.some(({ msg }) => msg.includes('is lost')));
    });

    test('full, slow, silent and cut off in the middle of an answer: unavailable in time, and nothing is lost', async () => {
      const redis = await server({ args: ['--maxmemory-policy', 'noeviction'] });
      const proxy = await startProxy(redis.port);
      closers.push(() => proxy.stop());
      const store = await opened({ url: `redis://127.0.0.1:${proxy.port}` });
      const session = aSession('one', Date.now() + HOUR, { value: new Uint8Array(5_000).fill(7) });
      await store.put(session);
      const there = async () => (await store.get(session.key))?.length === 5_000;

      await redis.client.config('SET', 'maxmemory', '1');
      const full = await unavailable(store.put(aSession('two', Date.now() + HOUR)));
      assert.match(full.message, /OOM/);
      assert.ok(!full.message.includes(hashOf('two')));
      assert.equal(full.cause, undefined);
      assert.ok(await there());
      await redis.client.config('SET', 'maxmemory', '0');

      proxy.cutAfter = 700;
      assert.ok(await there(), 'asked again on the next connection');

      proxy.delayMs = 800;
      await unavailable(store.get(session.key));
      proxy.delayMs = 0;
      await until(there);

      const sleeping = redis.client.call('DEBUG', 'SLEEP', '1.2');
      await unavailable(store.get(session.key));
      await sleeping;
      await until(there);

      proxy.silent = true;
      await unavailable(store.get(session.key));
      // Noticed as dead, not asked for ever: then it fails without waiting.
      await until(async () => {
        const asked = store.get(session.key);
        const atOnce = await settlesAtOnce(asked);
        await unavailable(asked);
        return atOnce;
      });
      proxy.silent = false;
      await until(there);
    });

    test('a primary that becomes a replica is left', async () => {
      const redis = await server();
      const store = await opened({ url: redis.url });
      const session = aSession('one', Date.now() + HOUR);
      await store.put(session);
      await redis.client.call('REPLICAOF', '127.0.0.1', '1');
      assert.match((await unavailable(store.put(session))).message, /READONLY/);
      await redis.client.call('REPLICAOF', 'NO', 'ONE');
      await until(() => store.put(session).then(() => true));
    });
  });
});
