// What is damaged under a running worker costs what was damaged: a record its session, a file that is cut off the store, and
// neither of them the process.
import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { open as openLmdb } from 'lmdb';
import { pino } from 'pino';
import { readClaims } from '../../../src/application/claims.js';
import { openEmbeddedStore } from '../../../src/session/embedded/embedded-store.js';
import { openRedisStore } from '../../../src/session/redis/redis-store.js';
import type { Sessions } from '../../../src/session/sessions.js';
import type { SessionStore } from '../../../src/session/store.js';
import { verifyTicket } from '../../../src/session/ticket.js';
import { configOf, makeApplication } from '../../kit/application.js';
import { describeWith } from '../../kit/needs.js';
import { type RedisServer, redisMissing, startRedis } from '../../kit/redis-server.js';
import { makeSessions } from '../../kit/sessions.js';
import { aSession } from '../store-contract.js';

const HOUR = 3_600_000;
const log = pino({ level: 'silent' });
const application = makeApplication();

interface Damaged {
  readonly store: SessionStore;
  /** The bytes of a record. */
  read(key: string): Promise<Buffer>;
  write(key: string, bytes: Buffer): Promise<void>;
}

const logIn = (sessions: Sessions, sub: string): Promise<string> =>
  sessions.create(application, {
    provider: application.id,
    claims: readClaims({ sub }),
    createdAt: Date.now(),
    renewedAt: Date.now(),
    expiresAt: Date.now() + HOUR,
    idToken: 'id-token',
    jwt: '',
    refreshToken: null,
    loginState: '',
    loginTarget: '',
  });

/** Ways to damage a record: a bit of each byte, or of each so many, and a cut before it. */
function* damages(record: Buffer, step: number): Generator<readonly [string, Buffer]> {
  for (let at = 0; at < record.length; at += step) {
    const flipped = Buffer.from(record);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    yield [`bit ${at % 8} of byte ${at}`, flipped];
    yield [`cut after ${at} bytes`, record.subarray(0, at)];
  }
  yield ['something behind it', Buffer.concat([record, Buffer.from('more')])];
  yield [
    'JSON',
    Buffer.from('{"v":1,"provider":"whoami","expiresAt":9e15,"claims":{"sub":"mallory","groups":["staff"]}}'),
  ];
  yield ['MessagePack', Buffer.from('82a3737562a5616c696365a66578706972657303', 'hex')];
  yield ['zeros', Buffer.alloc(record.length)];
  yield ['ones', Buffer.alloc(record.length, 0xff)];
  yield ['a megabyte', Buffer.alloc(1_048_576, 1)];
}

function holdsFor(name: string, step: number, open: () => Promise<Damaged>): void {
  it(`a damaged record of ${name} costs that session and no other`, async () => {
    const { store, read, write } = await open();
    const sessions = makeSessions(store, { log });
    const neighbour = await logIn(sessions, 'bob');
    const cookie = await logIn(sessions, 'alice');
    const key = verifyTicket(application, cookie)?.key ?? '';
    const record = await read(key);
    let lost = 0;
    for (const [what, bytes] of damages(record, step)) {
      await write(key, bytes);
      sessions.clear();
      const { kind } = await sessions.load(cookie, application);
      // What changes nothing that counts may be read as before; what does is nobody's. Never somebody else's.
      assert.ok(kind === 'none' || kind === 'allow', `${what}: ${kind}`);
      const found = await sessions.read(cookie, application);
      assert.ok(found === null || found.session.claims.sub === 'alice', what);
      if (kind === 'none') lost += 1;
      assert.equal((await sessions.load(neighbour, application)).kind, 'allow', what);
      await write(key, record);
    }
    assert.ok(lost > record.length / step, `${lost} of ${(record.length / step) * 2}`);
    // And everything else goes on.
    const again = await logIn(sessions, 'alice');
    assert.ok((await sessions.endSubject(application, 'alice', 'sign_out')) >= 1);
    sessions.clear();
    assert.equal((await sessions.load(again, application)).kind, 'none');
    assert.equal((await sessions.load(neighbour, application)).kind, 'allow');
    assert.ok((await store.sweep()) >= 0);
  });
}

describe('damage under a running worker', () => {
  let directory = '';
  let count = 0;
  const opened: SessionStore[] = [];
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'akprox-damage-'));
  });
  after(async () => {
    for (const store of opened) await store.close();
    await rm(directory, { recursive: true, force: true });
  });
  async function openEmbedded(): Promise<{ store: SessionStore; path: string }> {
    count += 1;
    const path = join(directory, `store.${count}`);
    const store = await openEmbeddedStore({ path, maxBytes: 67_108_864, now: Date.now });
    opened.push(store);
    return { store, path };
  }

  holdsFor('the embedded store', 7, async () => {
    const { store, path } = await openEmbedded();
    const root = openLmdb({ path, noSubdir: false, overlappingSync: false, maxDbs: 8 });
    const table = root.openDB<Buffer, Buffer>({ name: 'sessions', encoding: 'binary', keyEncoding: 'binary' });
    return {
      store,
      read: async (key) => Buffer.from(table.get(Buffer.from(key)) ?? Buffer.alloc(0)),
      write: async (key, bytes) => {
        await table.put(Buffer.from(key), bytes);
        await table.flushed;
      },
    };
  });

  for (const [what, lengthOf] of [
    ['emptied', () => 0],
    ['cut off in the middle', (size: number) => Math.floor(size / 2)],
    ['cut off by a page', (size: number) => size - 4_096],
  ] as const) {
    it(`a file that is ${what} makes the store unavailable, and ends no process that uses it`, async () => {
      const { store, path } = await openEmbedded();
      const other = await openEmbeddedStore({ path, maxBytes: 67_108_864, now: Date.now });
      opened.push(other);
      const session = aSession('one', Date.now() + HOUR);
      for (let i = 0; i < 200; i += 1)
        await store.put(aSession(`other ${i}`, Date.now() + HOUR, { value: new Uint8Array(2_000).fill(i) }));
      await store.put(session);
      assert.notEqual(await other.get(session.key), null);
      const file = join(path, 'data.mdb');
      const { size } = await stat(file);
      await truncate(file, lengthOf(size));
      for (const each of [store, other]) {
        const unavailable = { code: 'store_unavailable' };
        await assert.rejects(each.get(session.key), unavailable);
        await assert.rejects(each.put(session), unavailable);
        await assert.rejects(each.delete(session.key), unavailable);
        await assert.rejects(each.listSubject(session.subject), unavailable);
        await assert.rejects(each.stats(), unavailable);
        await assert.rejects(each.sweep(), unavailable);
      }
      // What comes back is not what was mapped: that needs a restart, which looks at the whole file.
      await truncate(file, size);
      await assert.rejects(store.get(session.key), { code: 'store_unavailable' });
    });
  }
});

describeWith(redisMissing(), 'damage in Redis', () => {
  let redis: RedisServer;
  let store: SessionStore | null = null;
  before(async () => {
    redis = await startRedis();
  });
  after(async () => {
    await store?.close();
    await redis.stop();
  });
  holdsFor('Redis', 1, async () => {
    const { store: config } = configOf({ store: { kind: 'redis', url: redis.url } });
    assert.ok(config.kind === 'redis');
    store = await openRedisStore(config, { now: Date.now, log });
    const name = (key: string) => `akprox:s:{${key}}`;
    return {
      store,
      read: async (key) => (await redis.client.getBuffer(name(key))) ?? Buffer.alloc(0),
      write: async (key, bytes) => void (await redis.client.set(name(key), bytes, 'PX', HOUR)),
    };
  });
});
