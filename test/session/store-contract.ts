// The contract of a SessionStore: one suite that every implementation passes.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { AkproxError } from '../../src/infra/errors.js';
import type { SealedSession, SessionStore } from '../../src/session/store.js';

export interface OpenedStore {
  readonly store: SessionStore;
  /** Closes nothing: opens the same data once more, as after a restart. */
  readonly reopen?: () => Promise<SessionStore>;
  /** Overwrites the record of a key with something that is no record. */
  readonly corrupt?: (key: string) => Promise<void>;
  /** Closes the store and removes what the test, passed or failed, has left in it. */
  cleanup(): Promise<void>;
}

export interface ContractOptions {
  /** False when something else than `now()` decides what has expired, such as a Redis server. */
  readonly movesTime?: boolean;
  /** Where the suite's clock starts, in Unix milliseconds. By default the real time. */
  readonly start?: number;
}

const HOUR = 3_600_000;

/** A base64url hash, as the daemon makes them. */
export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}

/** A session of alice at "wiki", unless told otherwise. Subjects and sids are hashed together with the provider. */
export function aSession(
  name: string,
  expiresAt: number,
  facts: { provider?: string; subject?: string; sid?: string; value?: Uint8Array } = {},
): SealedSession {
  const provider = facts.provider ?? 'wiki';
  const sid = facts.sid ?? `sid of ${name}`;
  return {
    key: hashOf(name),
    value: facts.value ?? new TextEncoder().encode(`sealed ${name}`),
    expiresAt,
    subject: hashOf(`${provider}/${facts.subject ?? 'alice'}`),
    sid: sid === '' ? '' : hashOf(`${provider}/${sid}`),
    provider,
    summary: new TextEncoder().encode(`summary of ${name}`),
  };
}

export function storeContract(
  name: string,
  open: (now: () => number) => Promise<OpenedStore>,
  options: ContractOptions = {},
): void {
  const movesTime = options.movesTime ?? true;

  describe(`session store contract: ${name}`, () => {
    let time = 0;
    let opened: OpenedStore | undefined;
    let store: SessionStore;
    const later = () => time + HOUR;

    beforeEach(async () => {
      time = options.start ?? Date.now();
      opened = await open(() => time);
      store = opened.store;
    });
    afterEach(async () => {
      await opened?.cleanup();
      opened = undefined;
    });

    async function holds(session: SealedSession): Promise<void> {
      const value = await store.get(session.key);
      assert.ok(value !== null, 'expected a session');
      assert.ok(Buffer.from(value).equals(session.value), 'expected the value that was put');
    }
    async function absent(session: SealedSession): Promise<void> {
      assert.equal(await store.get(session.key), null);
    }
    async function counts(expected: Record<string, number>): Promise<void> {
      assert.deepEqual({ ...(await store.stats()).sessions }, expected);
    }

    test('an unknown key is null everywhere and removes nothing', async () => {
      const nobody = aSession('nobody', later());
      await absent(nobody);
      assert.equal(await store.delete(nobody.key), false);
      assert.deepEqual(await store.deleteSubject(nobody.subject), []);
      assert.deepEqual(await store.deleteSid(nobody.sid), []);
      assert.deepEqual(await store.deleteProvider(nobody.provider), []);
      await counts({});
    });

    async function lists(subject: string, expected: readonly SealedSession[], most = 100): Promise<void> {
      const listed = await store.listSummaries(subject, most);
      const plain = listed.map(({ key, expiresAt, summary }) => ({
        key,
        expiresAt,
        summary: summary === null ? null : Buffer.from(summary).toString(),
      }));
      assert.deepEqual(
        plain.sort((a, b) => (a.key < b.key ? -1 : 1)),
        expected
          .map(({ key, expiresAt, summary }) => ({ key, expiresAt, summary: Buffer.from(summary).toString() }))
          .sort((a, b) => (a.key < b.key ? -1 : 1)),
      );
    }

    test('the summaries of a subject are those of its live sessions, and end with them', async () => {
      const [first, second, third] = [aSession('1', later()), aSession('2', later()), aSession('3', later())];
      const others = aSession('4', later(), { subject: 'bob' });
      const elsewhere = aSession('5', later(), { provider: 'blog' });
      for (const session of [first, second, third, others, elsewhere]) await store.put(session);
      await lists(first.subject, [first, second, third]);
      await lists(hashOf('nobody'), []);

      const renewed = { ...first, expiresAt: later() + HOUR, summary: new TextEncoder().encode('renewed') };
      assert.equal(await store.replace(renewed), true);
      await lists(first.subject, [renewed, second, third]);
      await store.delete(second.key);
      await lists(first.subject, [renewed, third]);
      assert.equal((await store.listSummaries(first.subject, 1)).length, 1);
      assert.equal(await store.replace(second), false);
      await lists(first.subject, [renewed, third]);
      const restarted = await opened?.reopen?.();
      if (restarted !== undefined) {
        const again = await restarted.listSummaries(first.subject, 100).finally(() => restarted.close());
        assert.equal(again.length, 2);
      }
      if (movesTime) {
        time += HOUR;
        await lists(first.subject, [renewed]);
        await store.sweep();
        await lists(first.subject, [renewed]);
      }
      await store.deleteSubject(first.subject);
      await lists(first.subject, []);
      await lists(others.subject, movesTime ? [] : [others]);
      await store.deleteProvider(elsewhere.provider);
      await lists(elsewhere.subject, []);
    });

    test("many that are asked for at once each get their own, and nobody else's", async () => {
      const sessions = Array.from({ length: 40 }, (_, i) => aSession(`one of many ${i}`, later()));
      // One after the other: a busy machine may take longer for all of them than a store gives a command.
      for (const [i, session] of sessions.entries()) if (i % 3 !== 0) await store.put(session);
      const [damaged] = sessions.slice(1);
      if (damaged !== undefined) await opened?.corrupt?.(damaged.key);
      const values = await Promise.all(sessions.map(({ key }) => store.get(key)));
      for (const [i, value] of values.entries()) {
        const session = sessions[i];
        const isThere = i % 3 !== 0 && (session !== damaged || opened?.corrupt === undefined);
        assert.deepEqual(
          value === null ? null : Buffer.from(value),
          isThere ? Buffer.from(session?.value ?? []) : null,
        );
      }
    });

    test('put then get, and put again replaces', async () => {
      const session = aSession('one', later());
      await store.put(session);
      await holds(session);
      const renewed = { ...session, value: new TextEncoder().encode('renewed') };
      await store.put(renewed);
      await holds(renewed);
      await counts({ wiki: 1 });
    });

    test('subjectOf says whose a session is as long as it is there', async () => {
      const session = aSession('one', later());
      assert.equal(await store.subjectOf(session.key), '');
      await store.put(session);
      assert.equal(await store.subjectOf(session.key), session.subject);
      await store.delete(session.key);
      assert.equal(await store.subjectOf(session.key), '');
    });

    test('a shared value is put once, whoever else puts one, and is no session', async () => {
      const { values } = store;
      assert.equal(await values.get('key'), null);
      assert.equal(await values.remove('key', 'a'), false);
      const offers = ['a', 'b', 'c', 'd'];
      const answers = await Promise.all(offers.map((offer) => values.getOrPut('key', offer, later())));
      const [won = ''] = answers;
      assert.ok(offers.includes(won));
      assert.deepEqual(new Set(answers), new Set([won]));
      assert.equal(await values.get('key'), won);
      assert.equal(await values.getOrPut('other key', 'e', later()), 'e');
      await counts({});
      assert.deepEqual(await store.deleteProvider('key'), []);
      const again = opened?.reopen ? await opened.reopen() : store;
      assert.equal(await again.values.get('key'), won);
      if (again !== store) await again.close();
      assert.equal(await values.remove('key', 'another'), false);
      assert.equal(await values.remove('key', won), true);
      assert.equal(await values.get('key'), null);
      assert.equal(await values.get('other key'), 'e');
    });

    for (const [what, value] of [
      ['empty', new Uint8Array(0)],
      ['every byte', Uint8Array.from({ length: 256 }, (_, i) => i)],
      ['a view into a larger buffer', Uint8Array.from({ length: 64 }, (_, i) => i).subarray(7, 31)],
      ['64 KiB', Uint8Array.from({ length: 65_536 }, (_, i) => (i * 31) % 251)],
    ] as const) {
      test(`a binary value comes back as it was: ${what}`, async () => {
        const session = aSession('binary', later(), { value });
        await store.put(session);
        await holds(session);
      });
    }

    test('a value that was read stays as it is while others are read', async () => {
      const one = aSession('one', later());
      const two = aSession('two', later(), { value: new Uint8Array(40_000).fill(7) });
      await store.put(one);
      await store.put(two);
      const value = await store.get(one.key);
      await store.get(two.key);
      assert.ok(value !== null && Buffer.from(value).equals(one.value));
    });

    test('delete says whether there was one, and leaves no index entry', async () => {
      const session = aSession('one', later());
      await store.put(session);
      assert.equal(await store.delete(session.key), true);
      assert.equal(await store.delete(session.key), false);
      await absent(session);
      assert.deepEqual(await store.deleteSubject(session.subject), []);
      assert.deepEqual(await store.deleteSid(session.sid), []);
      assert.deepEqual(await store.deleteProvider(session.provider), []);
      await counts({});
    });

    test('replace saves while the key is there, with its new index entries', async () => {
      const session = aSession('one', later(), { sid: 'before' });
      await store.put(session);
      const renewed = aSession('one', later() + HOUR, { sid: 'after', value: Uint8Array.of(1, 2, 3) });
      assert.equal(await store.replace(renewed), true);
      await holds(renewed);
      assert.deepEqual(await store.deleteSid(session.sid), []);
      assert.deepEqual(await store.deleteSid(renewed.sid), [session.key]);
      await counts({});
    });

    test('replace after delete is false and brings nothing back', async () => {
      const session = aSession('one', later());
      await store.put(session);
      await store.delete(session.key);
      assert.equal(await store.replace(session), false);
      await absent(session);
      assert.deepEqual(await store.deleteSubject(session.subject), []);
      assert.deepEqual(await store.deleteSid(session.sid), []);
      await counts({});
    });

    test('replace against deleteSubject: whatever the order, the session is gone', async () => {
      for (let round = 0; round < 10; round += 1) {
        const session = aSession(`race ${round}`, later());
        await store.put(session);
        await Promise.all([store.replace(session), store.deleteSubject(session.subject), store.replace(session)]);
        await absent(session);
      }
      await counts({});
    });

    test('deleteSubject ends every session of that subject and no other', async () => {
      const alice = [1, 2, 3].map((i) => aSession(`alice ${i}`, later()));
      const bob = aSession('bob', later(), { subject: 'bob' });
      for (const session of [...alice, bob]) await store.put(session);
      const removed = await store.deleteSubject(hashOf('wiki/alice'));
      assert.deepEqual(removed.sort(), alice.map(({ key }) => key).sort());
      for (const session of alice) await absent(session);
      await holds(bob);
      await counts({ wiki: 1 });
    });

    test('listSubject and listSid name the sessions of one and of no other, and end none', async () => {
      const alice = [1, 2, 3].map((i) => aSession(`alice ${i}`, later(), { sid: `sid ${i % 2}` }));
      const bob = aSession('bob', later(), { subject: 'bob', sid: '' });
      for (const session of [...alice, bob]) await store.put(session);
      const sorted = (sessions: readonly SealedSession[]) => sessions.map(({ key }) => key).sort();
      assert.deepEqual((await store.listSubject(hashOf('wiki/alice'))).sort(), sorted(alice));
      assert.deepEqual(await store.listSubject(bob.subject), [bob.key]);
      assert.deepEqual(
        (await store.listSid(hashOf('wiki/sid 1'))).sort(),
        sorted([0, 2].flatMap((i) => alice[i] ?? [])),
      );
      assert.deepEqual(await store.listSid(''), []);
      assert.deepEqual(await store.listSubject(hashOf('wiki/nobody')), []);
      for (const session of [...alice, bob]) await holds(session);
    });

    test('more sessions of one subject than fit in one step', async () => {
      const many = Array.from({ length: 530 }, (_, i) => aSession(`many ${i}`, later()));
      for (let i = 0; i < many.length; i += 50)
        await Promise.all(many.slice(i, i + 50).map((session) => store.put(session)));
      assert.deepEqual((await store.listSubject(hashOf('wiki/alice'))).sort(), many.map(({ key }) => key).sort());
      const removed = await store.deleteSubject(hashOf('wiki/alice'));
      assert.equal(new Set(removed).size, many.length);
      assert.equal(removed.length, many.length);
      await counts({});
    });

    test('the same subject at two providers is kept apart', async () => {
      const wiki = aSession('w', later(), { provider: 'wiki' });
      const mail = aSession('m', later(), { provider: 'mail' });
      await store.put(wiki);
      await store.put(mail);
      await counts({ wiki: 1, mail: 1 });
      assert.deepEqual(await store.deleteSubject(wiki.subject), [wiki.key]);
      await holds(mail);
      await counts({ mail: 1 });
    });

    test('one hash that begins like another is another', async () => {
      const short = { ...aSession('short', later()), subject: 'abc', sid: 'abc', provider: 'wiki' };
      const long = { ...aSession('long', later()), subject: 'abcd', sid: 'abcd', provider: 'wiki2' };
      await store.put(short);
      await store.put(long);
      assert.deepEqual(await store.deleteSubject('abc'), [short.key]);
      await store.put(short);
      assert.deepEqual(await store.deleteSid('abc'), [short.key]);
      await store.put(short);
      assert.deepEqual(await store.deleteProvider('wiki'), [short.key]);
      await holds(long);
    });

    test('deleteSid ends the sessions with that sid; no sid is not a sid', async () => {
      const shared = [1, 2].map((i) => aSession(`s${i}`, later(), { sid: 'shared' }));
      const without = aSession('without', later(), { sid: '' });
      for (const session of [...shared, without]) await store.put(session);
      assert.deepEqual(await store.deleteSid(''), []);
      assert.deepEqual((await store.deleteSid(hashOf('wiki/shared'))).sort(), shared.map(({ key }) => key).sort());
      await holds(without);
      assert.deepEqual(await store.deleteSubject(without.subject), [without.key]);
    });

    test('deleteProvider ends the sessions of that provider', async () => {
      const wiki = ['alice', 'bob'].map((subject) => aSession(`w ${subject}`, later(), { subject }));
      const mail = aSession('m', later(), { provider: 'mail' });
      for (const session of [...wiki, mail]) await store.put(session);
      assert.deepEqual((await store.deleteProvider('wiki')).sort(), wiki.map(({ key }) => key).sort());
      for (const session of wiki) {
        await absent(session);
        assert.deepEqual(await store.deleteSubject(session.subject), []);
      }
      await holds(mail);
      await counts({ mail: 1 });
    });

    test('a key put again under another subject, sid and provider belongs to the new one only', async () => {
      const before = aSession('one', later(), { subject: 'alice', sid: 'a', provider: 'wiki' });
      const after = aSession('one', later() + 1, { subject: 'bob', sid: 'b', provider: 'mail' });
      await store.put(before);
      await store.put(after);
      await counts({ mail: 1 });
      assert.deepEqual(await store.deleteSubject(before.subject), []);
      assert.deepEqual(await store.deleteSid(before.sid), []);
      assert.deepEqual(await store.deleteProvider(before.provider), []);
      await holds(after);
      assert.deepEqual(await store.deleteSubject(after.subject), [after.key]);
      await counts({});
    });

    test('many puts at the same time all arrive', async () => {
      const many = Array.from({ length: 100 }, (_, i) => aSession(`c${i}`, later(), { subject: `user ${i % 7}` }));
      await Promise.all(many.map((session) => store.put(session)));
      for (const session of many) await holds(session);
      await counts({ wiki: many.length });
      await Promise.all([0, 1, 2, 3, 4, 5, 6].map((i) => store.deleteSubject(hashOf(`wiki/user ${i}`))));
      await counts({});
    });

    test('many puts of one key leave one session and one index entry', async () => {
      const same = Array.from({ length: 50 }, (_, i) => aSession('same', later() + i, { subject: `user ${i}` }));
      await Promise.all(same.map((session) => store.put(session)));
      await counts({ wiki: 1 });
      const removed = await Promise.all(same.map(({ subject }) => store.deleteSubject(subject)));
      assert.deepEqual(removed.flat(), [hashOf('same')]);
    });

    test('asked after close, it says that it is unavailable', async () => {
      const session = aSession('one', later());
      await store.close();
      const unavailable = (error: unknown) => error instanceof AkproxError && error.code === 'store_unavailable';
      await assert.rejects(store.get(session.key), unavailable);
      await assert.rejects(store.put(session), unavailable);
      await assert.rejects(store.deleteSubject(session.subject), unavailable);
      await assert.rejects(store.stats(), unavailable);
    });

    test('a restart keeps sessions and indexes', async (t) => {
      if (opened?.reopen === undefined) return t.skip('not for this store');
      const session = aSession('one', later());
      await store.put(session);
      await store.close();
      const again = await opened.reopen();
      try {
        const value = await again.get(session.key);
        assert.ok(value !== null && Buffer.from(value).equals(session.value));
        assert.deepEqual(await again.deleteSubject(session.subject), [session.key]);
      } finally {
        await again.close();
      }
    });

    test('a damaged record is no record', async (t) => {
      if (opened?.corrupt === undefined) return t.skip('not for this store');
      for (const [i, ask] of [
        (s: SealedSession) => store.get(s.key).then((value) => assert.equal(value, null)),
        (s: SealedSession) => store.replace(s).then((replaced) => assert.equal(replaced, false)),
        (s: SealedSession) => store.delete(s.key).then((deleted) => assert.equal(deleted, false)),
        (s: SealedSession) => store.deleteSubject(s.subject).then((keys) => assert.deepEqual(keys, [])),
        (s: SealedSession) => store.deleteSid(s.sid).then((keys) => assert.deepEqual(keys, [])),
        (s: SealedSession) => store.deleteProvider(s.provider).then((keys) => assert.deepEqual(keys, [])),
      ].entries()) {
        const session = aSession(`damaged ${i}`, later(), { provider: `p${i}` });
        await store.put(session);
        await opened.corrupt(session.key);
        await ask(session);
        await absent(session);
        assert.deepEqual(await store.deleteSubject(session.subject), []);
        assert.equal(await store.replace(session), false);
        await store.put(session);
        await holds(session);
        assert.deepEqual(await store.deleteSubject(session.subject), [session.key]);
      }
    });

    test('knows whether a lease is held, which counts as no session', async () => {
      const { leases } = store;
      assert.equal(await leases.isHeld('work', 900_000), false);
      await leases.acquire('work', 900_000, 'a');
      await leases.acquire('given back', 900_000, 'a');
      await leases.release('given back', 'a');
      assert.equal(await leases.isHeld('work', 900_000), true);
      assert.equal(await leases.isHeld('given back', 900_000), false);
      await counts({});
    });

    describe('time', { skip: movesTime ? false : 'the clock is not ours' }, () => {
      test('a session is there until its last millisecond, and not from then on', async () => {
        const session = aSession('one', time + 1000);
        await store.put(session);
        time += 999;
        await holds(session);
        time += 1;
        await absent(session);
        assert.equal(await store.replace({ ...session, expiresAt: later() }), false);
        await absent(session);
        assert.equal(await store.delete(session.key), false);
      });

      test('sweep removes what has expired, with its index entries, and nothing else', async () => {
        const short = Array.from({ length: 120 }, (_, i) => aSession(`short ${i}`, time + 1 + i));
        const long = aSession('long', later());
        await Promise.all([...short, long].map((session) => store.put(session)));
        assert.equal(await store.sweep(), 0);
        time += 60;
        assert.equal(await store.sweep(), 60);
        time += 60;
        assert.equal(await store.sweep(), 60);
        assert.equal(await store.sweep(), 0);
        await counts({ wiki: 1 });
        await holds(long);
        assert.deepEqual(await store.deleteSubject(long.subject), [long.key]);
      });

      test('a session that was prolonged is not swept at its first expiry', async () => {
        const session = aSession('one', time + 1000);
        await store.put(session);
        const prolonged = { ...session, expiresAt: time + 5000 };
        assert.equal(await store.replace(prolonged), true);
        time += 2000;
        assert.equal(await store.sweep(), 0);
        await holds(prolonged);
        assert.deepEqual(await store.deleteSid(session.sid), [session.key]);
      });

      test('what a damaged record left behind is swept, and a new session of that key is spared', async (t) => {
        if (opened?.corrupt === undefined) return t.skip('not for this store');
        const gone = aSession('gone', time + 1000, { provider: 'mail' });
        const reused = aSession('reused', time + 1000);
        for (const session of [gone, reused]) {
          await store.put(session);
          await opened.corrupt(session.key);
          await absent(session);
        }
        const renewed = { ...reused, expiresAt: later() };
        await store.put(renewed);
        time += 2000;
        await store.sweep();
        await counts({ wiki: 1 });
        await holds(renewed);
        assert.deepEqual(await store.deleteSubject(reused.subject), [reused.key]);
        await counts({});
      });

      test('gives a lease to one owner, until it is given back or its time is over', async () => {
        const { leases } = store;
        assert.equal(await leases.acquire('work', 10_000, 'a'), true);
        assert.equal(await leases.acquire('work', 10_000, 'b'), false);
        assert.equal(await leases.acquire('other work', 10_000, 'b'), true);
        assert.equal(await leases.release('work', 'b'), false);
        assert.equal(await leases.release('work', 'a'), true);
        assert.equal(await leases.release('work', 'a'), false);
        assert.equal(await leases.acquire('work', 10_000, 'b'), true);
        time += 10_001;
        assert.equal(await leases.acquire('work', 10_000, 'c'), true);
        assert.equal(await leases.release('work', 'b'), false);
      });

      test('forgets a shared value whose time is over', async () => {
        await store.values.getOrPut('key', 'first', time + 1_000);
        time += 1_001;
        assert.equal(await store.values.get('key'), null);
        assert.equal(await store.sweep(), 0);
        assert.equal(await store.values.getOrPut('key', 'second', later()), 'second');
        assert.equal(await store.sweep(), 0);
        assert.equal(await store.values.get('key'), 'second');
      });

      test('forgets a lease whose time is over', async () => {
        const { leases } = store;
        await leases.acquire('work', 900_000, 'a');
        time += 899_000;
        assert.equal(await store.sweep(), 0);
        assert.equal(await leases.isHeld('work', 900_000), true);
        time += 1_000;
        assert.equal(await leases.isHeld('work', 900_000), false);
        assert.equal(await store.sweep(), 0);
        assert.equal(await leases.isHeld('work', 900_000), false);
      });
    });
  });
}
