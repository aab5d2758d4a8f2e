// A session that was ended is refused, also when the store cannot delete it: by every worker, by those that start later, and
// until it would have ended by itself.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { readClaims } from '../../src/application/claims.js';
import { UnfinishedDeletions } from '../../src/cluster/unfinished-deletions.js';
import { AkproxError } from '../../src/infra/errors.js';
import { Refusals } from '../../src/session/refusals.js';
import type { Revocation } from '../../src/session/revocation.js';
import { Sessions } from '../../src/session/sessions.js';
import { makeApplication } from '../kit/application.js';
import { MemoryStore } from '../kit/memory-store.js';

const HOUR = 3_600_000;
const application = makeApplication({ session: { lifetime: '8h', refresh: false } });
const log = pino({ level: 'silent' });

let now: number;
let store: MemoryStore;
/** Those that the primary would pass on. */
let hosts: { sessions: Sessions; deliver: (revocation: Revocation) => void }[];
let published: Revocation[];
let timers: (() => void)[];
let unfinished: UnfinishedDeletions;

function worker(): Sessions {
  let deliver: (revocation: Revocation) => void = () => {};
  const sessions = new Sessions({
    store,
    channel: { publish: (revocation) => published.push(revocation), subscribe: (handler) => (deliver = handler) },
    cache: { max_bytes: 1_000_000, max_age: 60_000, stale_max: 300_000 },
    now: () => now,
    monotonic: () => now,
    random: () => 0,
    log,
  });
  hosts.push({ sessions, deliver: (revocation) => deliver(revocation) });
  return sessions;
}

/** What the primary does with what was published. */
function passOn(): void {
  for (const revocation of published.splice(0)) {
    unfinished.add(revocation);
    for (const { deliver } of hosts) deliver(revocation);
  }
}

async function passTimers(): Promise<void> {
  for (const timer of timers.splice(0)) timer();
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

const logIn = (sessions: Sessions): Promise<string> =>
  sessions.create(application, {
    provider: application.id,
    claims: readClaims({ sub: 'alice' }),
    createdAt: now,
    renewedAt: now,
    expiresAt: now + 8 * HOUR,
    idToken: 'id-token',
    jwt: '',
    refreshToken: null,
    loginState: '',
    loginTarget: '',
  });

const kindOf = async (sessions: Sessions, cookie: string): Promise<string> =>
  sessions.peek(cookie, application, now)?.kind ?? (await sessions.load(cookie, application)).kind;

beforeEach(() => {
  now = 1_000_000;
  store = new MemoryStore(() => now);
  hosts = [];
  published = [];
  timers = [];
  unfinished = new UnfinishedDeletions({
    store: async () => store,
    now: () => now,
    after: (_, action) => timers.push(action),
    log,
  });
});

describe('a session that was ended while the store', () => {
  for (const [fault, set] of [
    ['cannot be written', (on: boolean) => (store.readOnly = on)],
    ['cannot be asked', (on: boolean) => (store.down = on)],
  ] as const) {
    it(`${fault} is refused by every worker and by one that starts later, until it would have ended`, async () => {
      const [one, other] = [worker(), worker()];
      const cookie = await logIn(one);
      assert.equal(await kindOf(other, cookie), 'allow');
      set(true);
      assert.equal((await one.signOut(cookie, application))?.deleted, false);
      assert.equal(await kindOf(one, cookie), 'none');
      passOn();
      assert.equal(await kindOf(other, cookie), 'none');
      const late = worker();
      for (const revocation of unfinished.revocations()) hosts.at(-1)?.deliver(revocation);
      for (let age = 0; age < 8 * HOUR; age += HOUR / 2) {
        for (const sessions of [one, other, late]) assert.equal(await kindOf(sessions, cookie), 'none', `${age}`);
        now += HOUR / 2;
      }
    });

    it(`${fault} is deleted when that is over`, async () => {
      const cookie = await logIn(worker());
      const [first] = hosts;
      set(true);
      await first?.sessions.signOut(cookie, application);
      passOn();
      for (let i = 0; i < 5; i += 1) await passTimers();
      assert.equal(store.entries.size, 1);
      assert.equal(unfinished.size, 1);
      set(false);
      await passTimers();
      assert.equal(store.entries.size, 0);
      assert.equal(unfinished.size, 0);
      assert.deepEqual(timers, []);
    });
  }

  it('cannot be written takes the sessions of the same person elsewhere along', async () => {
    const [one, other] = [worker(), worker()];
    const [here, there] = [await logIn(one), await logIn(other)];
    store.readOnly = true;
    await one.signOut(here, application);
    passOn();
    for (const sessions of [one, other])
      for (const cookie of [here, there]) assert.equal(await kindOf(sessions, cookie), 'none');
  });

  it('fails half-way is told of in full', async () => {
    const [one, other] = [worker(), worker()];
    const cookies = [await logIn(one), await logIn(one), await logIn(one)];
    for (const cookie of cookies) assert.equal(await kindOf(other, cookie), 'allow');
    store.deleteSubject = async () => {
      const [key] = store.entries.keys();
      if (key !== undefined) store.entries.delete(key);
      throw new AkproxError('store_unavailable', 'half of it');
    };
    await assert.rejects(one.endSubject(application, 'alice', 'backchannel'));
    assert.equal(new Set(published.flatMap(({ keys }) => keys)).size, 3);
    passOn();
    assert.equal(other.peek(cookies[0] ?? '', application, now), undefined);
  });

  it('has no room to remember it: the sign-out fails, and nobody is told that it has not', async () => {
    const one = worker();
    const cookie = await logIn(one);
    for (let i = 0; i < 100; i += 1) {
      const keys = Array.from({ length: 1_000 }, (_, k) => `${i}/${k}`);
      hosts[0]?.deliver({ keys, source: 'sign_out', at: now, refusedUntil: now + HOUR });
    }
    store.readOnly = true;
    await assert.rejects(one.signOut(cookie, application), { code: 'store_unavailable' });
    assert.equal(await kindOf(one, cookie), 'allow');
    now += HOUR;
    assert.equal((await one.signOut(cookie, application))?.deleted, false);
    assert.equal(await kindOf(one, cookie), 'none');
  });

  it('is a session of a login afterwards: that one is good', async () => {
    const one = worker();
    const cookie = await logIn(one);
    store.readOnly = true;
    await one.signOut(cookie, application);
    passOn();
    store.readOnly = false;
    const next = await logIn(one);
    await passTimers();
    assert.equal(await kindOf(one, next), 'allow');
    assert.equal(await kindOf(one, cookie), 'none');
    assert.equal(store.entries.size, 1);
  });
});

it('refusals are bounded, and all or nothing', () => {
  let time = 0;
  const refusals = new Refusals(() => time);
  const keys = Array.from({ length: 99_999 }, (_, i) => `${i}`);
  assert.equal(refusals.add(keys, 10), true);
  assert.equal(refusals.add(['a', 'b'], 10), false);
  assert.equal(refusals.has('a'), false);
  time = 10;
  assert.equal(refusals.has('0'), false);
  assert.equal(refusals.add(['a', 'b'], 20), true);
  assert.equal(refusals.has('a'), true);
});
