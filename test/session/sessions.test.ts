import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { readClaims } from '../../src/application/claims.js';
import { blockHeaders } from '../../src/application/identity.js';
import { AkproxError } from '../../src/infra/errors.js';
import type { AuditEvent } from '../../src/session/audit.js';
import type { Revocation } from '../../src/session/revocation.js';
import type { Session } from '../../src/session/session.js';
import { Sessions } from '../../src/session/sessions.js';
import { issueTicket } from '../../src/session/ticket.js';
import { makeApplication } from '../kit/application.js';
import { MemoryStore } from '../kit/memory-store.js';

const application = makeApplication({ access: { groups: ['staff'] } });
const log = pino({ level: 'silent' });
const CACHE = { max_bytes: 1_000_000, max_age: 60_000, stale_max: 300_000 };

let now = 0;
let audited: AuditEvent[];
let store: MemoryStore;
let published: Revocation[];
let sessions: Sessions;
let other: Sessions;

/** Two workers on one store; what one publishes the other hears when `deliver` is called. */
function worker(): { sessions: Sessions; deliver: (revocation: Revocation) => void } {
  let deliver: (revocation: Revocation) => void = () => {};
  const made = new Sessions({
    store,
    channel: { publish: (revocation) => published.push(revocation), subscribe: (handler) => (deliver = handler) },
    cache: CACHE,
    now: () => now,
    monotonic: () => now,
    random: () => 0,
    log,
    audit: { write: (event) => audited.push(event) },
  });
  return { sessions: made, deliver: (revocation) => deliver(revocation) };
}

let deliverToFirst: (revocation: Revocation) => void;
let deliverToOther: (revocation: Revocation) => void;

beforeEach(() => {
  now = 1_000_000;
  store = new MemoryStore(() => now);
  published = [];
  audited = [];
  const first = worker();
  sessions = first.sessions;
  deliverToFirst = first.deliver;
  const second = worker();
  other = second.sessions;
  deliverToOther = second.deliver;
});

function session(overrides: Partial<Session> = {}, claims: Record<string, unknown> = {}): Session {
  return {
    provider: application.id,
    claims: readClaims({ sub: 'alice', sid: 's1', email: 'alice@example.com', groups: ['staff'], ...claims }),
    createdAt: now,
    renewedAt: now,
    expiresAt: now + 3_600_000,
    idToken: 'id-token',
    jwt: '',
    refreshToken: null,
    loginState: '',
    loginTarget: '',
    ...overrides,
  };
}

const peek = (cookie: string, from = sessions) => from.peek(cookie, application, now)?.kind;
const resolve = async (cookie: string, from = sessions) => (await from.load(cookie, application)).kind;

describe('sessions', () => {
  it('answer from the cache after one read of the store', async () => {
    const cookie = await sessions.create(application, session());
    assert.equal(peek(cookie, other), undefined);
    assert.equal(await resolve(cookie, other), 'allow');
    assert.equal(peek(cookie, other), 'allow');
    assert.equal(store.reads, 1);
  });

  it('apply the access rule when they are loaded', async () => {
    const cookie = await sessions.create(application, session({}, { groups: ['guests'] }));
    assert.equal(peek(cookie), 'forbidden');
    assert.equal(await resolve(cookie, other), 'forbidden');
  });

  it('never ask the store about a cookie with a wrong MAC', async () => {
    const { cookie } = issueTicket(makeApplication({ name: 'elsewhere' }));
    assert.equal(await resolve(cookie), 'none');
    assert.equal(store.reads, 0);
  });

  it('do not count at another provider, even with the same cookie in the cache or on its way', async () => {
    const cookie = await sessions.create(application, session());
    const foreign = makeApplication({ name: 'foreign' });
    assert.equal(sessions.peek(cookie, foreign, now), undefined);
    const [mine, theirs] = await Promise.all([other.load(cookie, application), other.load(cookie, foreign)]);
    assert.equal(mine.kind, 'allow');
    assert.equal(theirs.kind, 'none');
  });

  it('remember a verified cookie without a session, for a while', async () => {
    const { cookie } = issueTicket(application);
    assert.equal(await resolve(cookie), 'none');
    assert.equal(peek(cookie), 'none');
    now += 10_001;
    assert.equal(peek(cookie), undefined);
  });

  it('with an assertion are read again before it is over, whatever the cache may keep', async () => {
    const signing = makeApplication({ access: { groups: ['staff'] }, headers: { assertion: true } });
    const made = new Sessions({
      store,
      channel: { publish: () => {}, subscribe: () => {} },
      cache: { ...CACHE, max_age: 3_600_000, stale_max: 3_600_000 },
      sign: async () => `signed at ${now}`,
      now: () => now,
      monotonic: () => now,
      random: () => 0,
      log,
    });
    const assertionOf = (entry: { block: ArrayBuffer } | undefined) =>
      entry && new Map(blockHeaders(entry.block)).get('X-Akprox-Assertion');
    const cookie = await made.create(signing, session());
    const began = now;
    now = began + 239_999;
    assert.equal(assertionOf(made.peek(cookie, signing, now)), `signed at ${began}`);
    assert.equal(store.reads, 0);
    now = began + 240_000;
    assert.equal(assertionOf(made.peek(cookie, signing, now)), `signed at ${began}`);
    await made.load(cookie, signing);
    assert.equal(assertionOf(made.peek(cookie, signing, now)), `signed at ${now}`);
    // Nobody came for a while: what would be over by now is not sent, not even while the store is away.
    now += 290_000;
    assert.equal(made.peek(cookie, signing, now), undefined);
    store.down = true;
    assert.equal((await made.load(cookie, signing)).kind, 'unavailable');
    store.down = false;
    await made.load(cookie, signing);
    assert.equal(assertionOf(made.peek(cookie, signing, now)), `signed at ${now}`);
  });

  it('cannot be told apart from an outage while their assertion cannot be signed', async () => {
    const signing = makeApplication({ access: { groups: ['staff'] }, headers: { assertion: true } });
    let able = false;
    const made = new Sessions({
      store,
      channel: { publish: () => {}, subscribe: () => {} },
      cache: CACHE,
      sign: async () => {
        if (!able) throw new AkproxError('store_unavailable', 'no key');
        return 'a.b.c';
      },
      now: () => now,
      monotonic: () => now,
      random: () => 0,
      log,
    });
    const cookie = await made.create(signing, session());
    assert.equal(made.peek(cookie, signing, now), undefined);
    assert.equal((await made.load(cookie, signing)).kind, 'unavailable');
    able = true;
    assert.equal((await made.load(cookie, signing)).kind, 'allow');
  });

  it('share one read among concurrent misses', async () => {
    const cookie = await sessions.create(application, session());
    const kinds = await Promise.all(Array.from({ length: 50 }, () => resolve(cookie, other)));
    assert.deepEqual(new Set(kinds), new Set(['allow']));
    assert.equal(store.reads, 1);
  });

  it('end when their time is over, also in the cache', async () => {
    const cookie = await sessions.create(application, session({ expiresAt: now + 5_000 }));
    now += 4_999;
    assert.equal(peek(cookie), 'allow');
    now += 1;
    assert.equal(peek(cookie), undefined);
    assert.equal(await resolve(cookie), 'none');
  });

  it('are read again in the background when they have aged, while the old answer is served', async () => {
    const cookie = await sessions.create(application, session());
    now += 60_001;
    const before = store.reads;
    assert.equal(peek(cookie), 'allow');
    assert.equal(peek(cookie), 'allow');
    await sessions.load(cookie, application);
    assert.equal(store.reads, before + 1);
    assert.equal(peek(cookie), 'allow');
  });

  it('survive an outage of the store until stale_max, and nobody is told that he is signed out', async () => {
    const cookie = await sessions.create(application, session());
    store.down = true;
    for (let age = 0; age < 299_000; age += 1_000) {
      now += 1_000;
      assert.equal(peek(cookie), 'allow', `at the age of ${age}`);
      await sessions.load(cookie, application);
    }
    now += 1_001;
    assert.equal(peek(cookie), undefined);
    assert.equal(await resolve(cookie), 'unavailable');
    store.down = false;
    assert.equal(await resolve(cookie), 'allow');
  });

  it('are gone everywhere when the user signs out', async () => {
    const first = await sessions.create(application, session());
    const second = await sessions.create(application, session());
    const somebodyElse = await sessions.create(application, session({}, { sub: 'bob' }));
    for (const cookie of [first, second, somebodyElse]) assert.equal(await resolve(cookie, other), 'allow');
    assert.equal(await sessions.endSubject(application, 'alice', 'sign_out'), 2);
    assert.equal(peek(first), undefined);
    for (const revocation of published) deliverToOther(revocation);
    assert.equal(peek(first, other), undefined);
    assert.equal(await resolve(second, other), 'none');
    assert.equal(peek(somebodyElse, other), 'allow');
  });

  it('are gone by sid, of that sid only', async () => {
    const one = await sessions.create(application, session());
    const two = await sessions.create(application, session({}, { sid: 's2' }));
    assert.equal(await sessions.endSid(application, 's1', 'backchannel'), 1);
    assert.equal(await resolve(one), 'none');
    assert.equal(peek(two), 'allow');
  });

  it('do not come back from a read that was under way when they were revoked', async () => {
    const cookie = await sessions.create(application, session());
    let open = (): void => {};
    store.gate = new Promise((done) => (open = done));
    const reading = other.load(cookie, application);
    await sessions.endSubject(application, 'alice', 'sign_out');
    for (const revocation of published) deliverToOther(revocation);
    open();
    assert.equal((await reading).kind, 'none');
    assert.equal(peek(cookie, other), 'none');
  });

  it('are not cached by a login that was overtaken by a revocation', async () => {
    const worker = sessions;
    const put = store.put.bind(store);
    store.put = async (sealed) => {
      await put(sealed);
      await other.endSubject(application, 'alice', 'backchannel');
      for (const revocation of published) deliverToFirst(revocation);
    };
    const cookie = await worker.create(application, session());
    assert.equal(peek(cookie, worker), undefined);
    assert.equal(await resolve(cookie, worker), 'none');
  });

  it('are revoked everywhere by a second sign-out when the first one lost the answer of the store', async () => {
    const cookie = await sessions.create(application, session());
    assert.equal(await resolve(cookie, other), 'allow');
    const remove = store.delete.bind(store);
    store.delete = async (key) => {
      await remove(key);
      throw new AkproxError('store_unavailable', 'the answer was lost');
    };
    await assert.rejects(sessions.replaced(cookie, application));
    for (const revocation of published) deliverToOther(revocation);
    assert.equal(peek(cookie, other), undefined);
  });

  it('are told by one of the workers when an operator ended them beside the daemon', async () => {
    const keys = ['key-1', 'key-2'];
    const audit = { provider: 'whoami', subject: 'hash', sessions: 2 };
    const revocation: Revocation = { keys, source: 'operator', at: now, audit };
    deliverToFirst(revocation);
    deliverToOther(revocation);
    await new Promise((resolve) => setImmediate(resolve));
    const told = keys.map((session) => ({ audit: 'session_ended', reason: 'operator', session, subject: 'hash' }));
    assert.deepEqual(
      audited,
      told.map((line) => ({ ...line, provider: 'whoami', user: '' })),
    );
  });

  it('remember a logout token for every worker', async () => {
    assert.equal(await sessions.isUsed('https://idp', 'j1'), false);
    await sessions.remember('https://idp', 'j1');
    assert.equal(await other.isUsed('https://idp', 'j1'), true);
    assert.equal(await other.isUsed('https://other', 'j1'), false);
  });

  it('treat a damaged value as no session and remove it', async () => {
    const cookie = await sessions.create(application, session());
    for (const [key, entry] of store.entries) store.entries.set(key, { ...entry, value: entry.value.subarray(0, 40) });
    assert.equal(await resolve(cookie, other), 'none');
    assert.equal(store.entries.size, 0);
  });

  it('stay within the bytes that the cache may take', async () => {
    for (let i = 0; i < 2_000; i += 1) await sessions.create(application, session({}, { sub: `user-${i}` }));
    assert.ok(sessions.cache.bytes <= CACHE.max_bytes);
    assert.ok(sessions.cache.evictions > 0);
    assert.ok(sessions.cache.size > 100);
  });

  it('hold nothing readable in the store', async () => {
    await sessions.create(application, session({ refreshToken: 'refresh-secret' }, { name: 'Alice Liddell' }));
    const dump = JSON.stringify(
      [...store.entries.values()].map((e) => ({ ...e, value: Buffer.from(e.value).toString('latin1') })),
    );
    for (const secret of ['alice', 'Liddell', 'staff', 'id-token', 'refresh-secret', 's1"'])
      assert.ok(!dump.includes(secret), secret);
  });
});
