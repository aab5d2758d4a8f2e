// The embedded store: the contract, and what only a file shared by processes can get wrong.

import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { open as openLmdb } from 'lmdb';
import { AkproxError } from '../../../src/infra/errors.js';
import { openEmbeddedStore } from '../../../src/session/embedded/embedded-store.js';
import type { SessionStore } from '../../../src/session/store.js';
import { endsWithTest } from '../../kit/ends-with-test.js';
import { aSession, hashOf, storeContract } from '../store-contract.js';

const MIB = 1_048_576;
const NOW = 1_750_000_000_000;
const LATER = NOW + 3_600_000;
const now = () => NOW;

// This file is its own child process: it opens the store and does what the parent's messages say.
type Order =
  | { do: 'get' | 'put' | 'delete'; name: string }
  | { do: 'write-on'; prefix: string }
  | { do: 'hold-write-lock' };

if (process.env['AKPROX_STORE_CHILD'] !== undefined) await beChild(process.env['AKPROX_STORE_CHILD']);
else defineTests();

async function beChild(path: string): Promise<void> {
  const store = await openEmbeddedStore({ path, maxBytes: 64 * MIB, now });
  const say = (message: unknown) => new Promise((resolve) => process.send?.(message, resolve));
  process.on('message', async (order: Order) => {
    if (order.do === 'get') await say((await store.get(hashOf(order.name))) !== null);
    if (order.do === 'put') await store.put(aSession(order.name, LATER)).then(() => say('done'));
    if (order.do === 'delete') await say(await store.delete(hashOf(order.name)));
    if (order.do === 'hold-write-lock') {
      const root = openLmdb({ path, noSubdir: false, overlappingSync: false, maxDbs: 8 });
      root.transactionSync(() => {
        process.send?.('holding');
        for (;;); // until kill -9
      });
    }
    if (order.do === 'write-on') {
      const one = async (lane: number) => {
        for (let i = 0; ; i += 1) {
          const name = `${order.prefix}-${lane}-${i}`;
          await store.put(aSession(name, LATER));
          await say(name);
        }
      };
      await Promise.all([0, 1, 2].map(one));
    }
  });
  await say('ready');
}

async function startChild(path: string): Promise<ChildProcess> {
  const child = endsWithTest(
    fork(fileURLToPath(import.meta.url), {
      execArgv: ['--import', 'tsx'],
      env: { ...process.env, AKPROX_STORE_CHILD: path, NODE_TEST_CONTEXT: undefined },
    }),
  );
  assert.deepEqual(await once(child, 'message'), ['ready', undefined]);
  return child;
}

async function ask(child: ChildProcess, order: Order): Promise<unknown> {
  const answer = once(child, 'message');
  child.send(order);
  return (await answer)[0];
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}

function defineTests(): void {
  let base = '';
  let directories = 0;
  const newPath = () => {
    directories += 1;
    return join(base, `store.${directories}`);
  };
  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'akprox-store-'));
  });
  after(() => rm(base, { recursive: true, force: true }));

  const openAt = (path: string, maxBytes = 64 * MIB, clock = now) => openEmbeddedStore({ path, maxBytes, now: clock });
  const dataSize = async (path: string) => (await stat(join(path, 'data.mdb'))).size;

  storeContract(
    'embedded',
    async (clock) => {
      const path = newPath();
      const store = await openAt(path, 64 * MIB, clock);
      const damages = [
        Buffer.alloc(0),
        Buffer.from([1, 2, 3]),
        Buffer.from('not a record at all'),
        Buffer.alloc(9, 0xff),
      ];
      let damaged = 0;
      return {
        store,
        reopen: () => openAt(path, 64 * MIB, clock),
        async corrupt(key) {
          const root = openLmdb({ path, noSubdir: false, overlappingSync: false, maxDbs: 8 });
          const sessions = root.openDB<Buffer, Buffer>({ name: 'sessions', encoding: 'binary', keyEncoding: 'binary' });
          damaged += 1;
          await sessions.put(Buffer.from(key), damages[damaged % damages.length] ?? Buffer.alloc(0));
          await sessions.flushed;
        },
        async cleanup() {
          await store.close();
          await rm(path, { recursive: true, force: true });
        },
      };
    },
    { start: NOW },
  );

  describe('embedded store: files', () => {
    test('the directory is 0700, its files 0600, and missing parents are made', async () => {
      const path = join(newPath(), 'deep', 'er');
      const store = await openAt(path);
      await store.put(aSession('one', LATER));
      assert.equal((await stat(path)).mode & 0o777, 0o700);
      for (const file of ['data.mdb', 'lock.mdb']) assert.equal((await stat(join(path, file))).mode & 0o777, 0o600);
      await store.close();
    });

    test('a session value and a key that are not fit for a key are refused before anything is written', async () => {
      const store = await openAt(newPath());
      for (const wrong of [
        { key: '' },
        { subject: 'a\0b' },
        { provider: 'x'.repeat(1000) },
        { expiresAt: Number.NaN },
      ]) {
        const internal = (error: unknown) => error instanceof AkproxError && error.code === 'internal';
        await assert.rejects(store.put({ ...aSession('one', LATER), ...wrong }), internal);
      }
      assert.deepEqual((await store.stats()).sessions, {});
      await store.close();
    });

    const unusable = (path: string, pattern: RegExp) => (error: unknown) => {
      assert.ok(error instanceof AkproxError, String(error));
      assert.equal(error.code, 'store_unusable');
      assert.match(error.message, /store\.path/);
      assert.ok(error.message.includes(path));
      assert.match(error.message, pattern);
      return true;
    };

    test('a path that is a file, or lies below one, is refused', async () => {
      const file = newPath();
      await writeFile(file, 'a file');
      await assert.rejects(openAt(file), unusable(file, /is not a directory/));
      const below = join(file, 'data');
      await assert.rejects(openAt(below), unusable(below, /is not a directory/));
    });

    test('damaged files are refused, not opened', async (t) => {
      const good = newPath();
      const store = await openAt(good);
      await Promise.all(
        Array.from({ length: 400 }, (_, i) =>
          store.put(aSession(`s${i}`, LATER, { value: new Uint8Array(i % 10 === 0 ? 9000 : 600).fill(i) })),
        ),
      );
      await store.close();
      const bytes = await readFile(join(good, 'data.mdb'));
      const cases: [string, (file: string) => Promise<void>][] = [
        ['random bytes', (file) => writeFile(file, randomBytes(65_536))],
        ['text', (file) => writeFile(file, 'hello')],
        ['zeros', (file) => writeFile(file, Buffer.alloc(32_768))],
        ['cut to half', (file) => truncate(file, Math.floor(bytes.length / 2))],
        ['cut to three pages', (file) => truncate(file, 12_288)],
        ['cut within the meta pages', (file) => truncate(file, 5000)],
        ['cut to 100 bytes', (file) => truncate(file, 100)],
        ['random bytes after the meta pages', (file) => writeFile(file, overwrite(bytes, 8192, bytes.length))],
        [
          'random bytes over the second half',
          (file) => writeFile(file, overwrite(bytes, bytes.length >> 1, bytes.length)),
        ],
        ['random bytes over the first meta page', (file) => writeFile(file, overwrite(bytes, 0, 4096))],
        ['random bytes over the second meta page', (file) => writeFile(file, overwrite(bytes, 4096, 8192))],
      ];
      for (const [name, damage] of cases) {
        await t.test(name, async () => {
          const path = newPath();
          await mkdir(path);
          await copyFile(join(good, 'data.mdb'), join(path, 'data.mdb'));
          await damage(join(path, 'data.mdb'));
          await assert.rejects(openAt(path), unusable(path, /damaged data\.mdb/));
        });
      }
      await t.test('the undamaged copy opens; an empty file and a damaged lock file are no damage', async () => {
        const path = newPath();
        await mkdir(path);
        await copyFile(join(good, 'data.mdb'), join(path, 'data.mdb'));
        await writeFile(join(path, 'lock.mdb'), randomBytes(8192));
        const copy = await openAt(path);
        assert.equal((await copy.deleteSubject(hashOf('wiki/alice'))).length, 400);
        await copy.close();
        const empty = newPath();
        await mkdir(empty);
        await writeFile(join(empty, 'data.mdb'), '');
        await (await openAt(empty)).close();
      });
    });

    test('a sweep leaves no lease that is over, and every other one', async () => {
      let time = NOW;
      const path = newPath();
      const store = await openAt(path, 64 * MIB, () => time);
      const names = Array.from({ length: 1_200 }, (_, i) => `logout-token ${i}`);
      await Promise.all(names.map((name, i) => store.leases.acquire(name, i % 3 === 0 ? 10_000 : 1_000, 'a')));
      time += 2_000;
      await store.sweep();
      await store.close();
      const root = openLmdb({ path, noSubdir: false, overlappingSync: false, maxDbs: 8 });
      const left = root.openDB({ name: 'leases', encoding: 'binary', keyEncoding: 'binary' }).getKeysCount();
      await root.close();
      assert.equal(left, 400);
    });

    test('bounded: when full it says so, never grows past the bound, and a sweep makes room', async () => {
      for (const [size, maxBytes] of [
        [700, MIB],
        [20_000, 2 * MIB],
        [700, 4 * MIB],
      ] as const) {
        let time = NOW;
        const path = newPath();
        const store = await openAt(path, maxBytes, () => time);
        const value = new Uint8Array(size);
        let stored = 0;
        let full = 0;
        while (full === 0) {
          const batch = Array.from({ length: 40 }, (_, i) => aSession(`${stored}/${i}`, NOW + 1000, { value }));
          for (const result of await Promise.allSettled(batch.map((session) => store.put(session)))) {
            if (result.status === 'fulfilled') {
              stored += 1;
              continue;
            }
            full += 1;
            assert.ok(result.reason instanceof AkproxError && result.reason.code === 'store_unavailable');
            assert.match(result.reason.message, /full.*store\.max_bytes/);
          }
        }
        assert.ok(stored * size > maxBytes / 5, `only ${stored} sessions fit`);
        assert.ok((await dataSize(path)) <= maxBytes, `${await dataSize(path)} bytes`);
        // Deleting still works, and makes room that can be filled again.
        assert.deepEqual(await store.deleteSid(aSession('0/0', 0).sid), [hashOf('0/0')]);
        const refill = async () => {
          for (let i = 0; ; i += 1) await store.put(aSession(`refill ${i}`, NOW + 1000, { value }));
        };
        await assert.rejects(refill(), /full/);
        assert.ok((await dataSize(path)) <= maxBytes, `${await dataSize(path)} bytes`);
        // No sweep is asked for: the put that finds the store full does it.
        time += 2000;
        await store.put(aSession('after', time + 1000, { value }));
        assert.deepEqual((await store.stats()).sessions, { wiki: 1 });
        for (let i = 0; i < 100; i += 1) await store.put(aSession(`churn ${i % 9}`, time + 1000 + i, { value }));
        assert.ok((await dataSize(path)) <= maxBytes, `${await dataSize(path)} bytes`);
        await store.close();
      }
    });
  });

  describe('embedded store: processes', () => {
    test('two processes see each other at once', async () => {
      const path = newPath();
      const store = await openAt(path);
      const child = await startChild(path);
      try {
        for (let i = 0; i < 20; i += 1) {
          const session = aSession(`s${i}`, LATER);
          await store.put(session);
          assert.equal(await ask(child, { do: 'get', name: `s${i}` }), true);
          assert.notEqual(await store.get(session.key), null);
          assert.equal(await ask(child, { do: 'delete', name: `s${i}` }), true);
          assert.equal(await store.get(session.key), null);
          assert.equal(await store.replace(session), false);
          assert.equal(await ask(child, { do: 'put', name: `s${i}` }), 'done');
          assert.notEqual(await store.get(session.key), null);
          assert.equal(await store.delete(session.key), true);
          assert.equal(await ask(child, { do: 'get', name: `s${i}` }), false);
        }
        assert.deepEqual((await store.stats()).sessions, {});
      } finally {
        await kill(child);
        await store.close();
      }
    });

    test('several processes may open a store that does not exist yet', async () => {
      const path = newPath();
      const children = await Promise.all([1, 2, 3].map(() => startChild(path)));
      try {
        await Promise.all(children.map((child, i) => ask(child, { do: 'put', name: `c${i}` })));
        for (const child of children) {
          for (const i of [0, 1, 2]) assert.equal(await ask(child, { do: 'get', name: `c${i}` }), true);
        }
      } finally {
        await Promise.all(children.map(kill));
      }
    });

    test('kill -9 of a writer, again and again: what was acknowledged is there, and others go on', async () => {
      const path = newPath();
      let store: SessionStore = await openAt(path);
      const acknowledged: string[] = [];
      for (let round = 0; round < 8; round += 1) {
        const child = await startChild(path);
        const enough = 10 + round * 7;
        let heard = 0;
        await new Promise<void>((resolve, reject) => {
          child.on('message', (name) => {
            acknowledged.push(String(name));
            heard += 1;
            if (heard === enough) kill(child).then(resolve, reject);
          });
          child.send({ do: 'write-on', prefix: `r${round}` } satisfies Order);
        });
        const mine = `parent ${round}`;
        await store.put(aSession(mine, LATER));
        acknowledged.push(mine);
        for (const name of acknowledged) assert.notEqual(await store.get(hashOf(name)), null, name);
      }
      await store.sweep();
      await store.close();
      store = await openAt(path);
      const count = (await store.stats()).sessions['wiki'] ?? 0;
      assert.ok(count >= acknowledged.length);
      // Index, count and records agree.
      const removed = new Set(await store.deleteSubject(hashOf('wiki/alice')));
      assert.equal(removed.size, count);
      for (const name of acknowledged) assert.ok(removed.has(hashOf(name)), name);
      assert.deepEqual((await store.stats()).sessions, {});
      await store.close();
    });

    test('a process killed while it holds the write lock does not block the others', async () => {
      const path = newPath();
      const store = await openAt(path);
      await store.put(aSession('before', LATER));
      const child = await startChild(path);
      assert.equal(await ask(child, { do: 'hold-write-lock' }), 'holding');
      const waiting = store.put(aSession('after', LATER));
      assert.notEqual(await store.get(hashOf('before')), null, 'reads go on while the lock is held');
      await kill(child);
      await waiting;
      assert.notEqual(await store.get(hashOf('after')), null);
      await store.close();
    });
  });
}

function overwrite(bytes: Buffer, from: number, to: number): Buffer {
  const copy = Buffer.from(bytes);
  randomBytes(to - from).copy(copy, from);
  return copy;
}
