// A session past its tokens' end is renewed before it is served again: by one worker of the fleet, while the others wait. Neither the
// store nor the identity provider signs anybody out by being away, and nobody is let in by it either.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import type { Application } from '../../src/application/application.js';
import { readClaims } from '../../src/application/claims.js';
import type { RenewalAnswer } from '../../src/session/renewal.js';
import type { Revocation } from '../../src/session/revocation.js';
import type { Session } from '../../src/session/session.js';
import { Sessions } from '../../src/session/sessions.js';
import { makeApplication } from '../kit/application.js';
import { createFakeTimers, type FakeTimers, settle } from '../kit/fake-timers.js';
import { MemoryStore } from '../kit/memory-store.js';

const HOUR = 3_600_000;
const START = 1_750_000_000_000;
const TOKEN_LIFE = 300_000;
const PAST_END = TOKEN_LIFE + 600_000;

const strict = makeApplication({ session: { lifetime: '8h' } });
const graceful = makeApplication({ session: { lifetime: '8h', grace: '1h' } });

const clock = { time: 0 };
let timers: FakeTimers;
let store: MemoryStore;
let redeemed: string[];
let answer: () => Promise<RenewalAnswer>;
let subscribers: ((revocation: Revocation) => void)[];
let published: Revocation[];

function worker(options: { stale_max?: number } = {}): Sessions {
  const others = (): typeof subscribers => subscribers.filter((one) => one !== own);
  let own: (revocation: Revocation) => void = () => {};
  return new Sessions({
    store,
    channel: {
      publish: (revocation) => {
        published.push(revocation);
        for (const receive of others()) receive(revocation);
      },
      subscribe: (receive) => {
        own = receive;
        subscribers.push(receive);
      },
    },
    cache: { max_bytes: 1_000_000, max_age: 60_000, stale_max: options.stale_max ?? 300_000 },
    now: () => clock.time,
    monotonic: () => clock.time,
    random: () => 0,
    timers,
    log: pino({ level: 'silent' }),
    redeem: (_application, refreshToken) => {
      redeemed.push(refreshToken);
      return answer();
    },
  });
}

const renewed = async (): Promise<RenewalAnswer> => ({
  kind: 'renewed',
  claims: readClaims({ sub: 'alice', preferred_username: 'alice-renewed' }),
  idToken: 'new-id-token',
  jwt: '',
  expiresAt: clock.time + TOKEN_LIFE,
  refreshToken: `r${redeemed.length + 1}`,
});
const away = async (): Promise<RenewalAnswer> => ({ kind: 'fault', error: new Error('no answer') });
const never = (): Promise<RenewalAnswer> => new Promise(() => {});

function logIn(sessions: Sessions, application: Application, overrides: Partial<Session> = {}): Promise<string> {
  return sessions.create(application, {
    provider: application.id,
    claims: readClaims({ sub: 'alice', preferred_username: 'alice' }),
    createdAt: START,
    renewedAt: START,
    expiresAt: START + TOKEN_LIFE,
    endsAt: START + 8 * HOUR,
    idToken: 'id-token',
    jwt: '',
    refreshToken: 'r1',
    loginState: '',
    loginTarget: '',
    ...overrides,
  });
}

/** JSON has no `undefined`: the stored record is without it. */
const ONE_END = { endsAt: undefined } as unknown as Partial<Session>;

/** As the daemon makes it: from the cache, or from the store. What could not be asked is named. */
async function check(sessions: Sessions, cookie: string, application: Application): Promise<string> {
  const found = sessions.peek(cookie, application, clock.time) ?? (await sessions.load(cookie, application));
  return found.kind === 'unavailable' ? found.what : found.kind;
}

/** What a check has come to after so long; undefined while it waits. */
async function after<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let result: T | undefined;
  void work.then((value) => {
    result = value;
  });
  await timers.advance(ms);
  return result;
}

const storedOf = async (cookie: string, application = strict): Promise<Session | undefined> =>
  (await worker().read(cookie, application))?.session;

beforeEach(() => {
  clock.time = START;
  timers = createFakeTimers(clock);
  store = new MemoryStore(() => clock.time);
  redeemed = [];
  subscribers = [];
  published = [];
  answer = renewed;
});

describe('past its tokens’ end a session', () => {
  it('is renewed once, and every check of every worker is served for it', async () => {
    const fleet = [worker(), worker(), worker()];
    const cookie = await logIn(worker(), strict);
    clock.time = START + PAST_END;
    const checks = Promise.all(
      fleet.flatMap((sessions) => Array.from({ length: 10 }, () => check(sessions, cookie, strict))),
    );
    assert.deepEqual(new Set(await after(1_000, checks)), new Set(['allow']));
    assert.deepEqual(redeemed, ['r1']);
    const stored = await storedOf(cookie);
    assert.deepEqual([stored?.refreshToken, stored?.expiresAt], ['r2', START + PAST_END + TOKEN_LIFE]);
    assert.deepEqual([stored?.claims.preferredUsername, stored?.endsAt], ['alice-renewed', START + 8 * HOUR]);
  });

  it('is served by no cache: its entry ends when its tokens do', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, strict);
    answer = away;
    clock.time = START + TOKEN_LIFE - 1;
    assert.equal(await check(sessions, cookie, strict), 'allow');
    await settle();
    clock.time = START + TOKEN_LIFE;
    assert.equal(sessions.peek(cookie, strict, clock.time), undefined);
    store.down = true;
    assert.equal(await check(sessions, cookie, strict), 'store');
  });

  it('is waited for while another worker is at it', async () => {
    const [first, second] = [worker(), worker()];
    const cookie = await logIn(first, strict);
    clock.time = START + PAST_END;
    let tell = (): void => {};
    answer = () =>
      new Promise((resolve) => {
        tell = () => void renewed().then(resolve);
      });
    const [mine, other] = [check(first, cookie, strict), check(second, cookie, strict)];
    assert.equal(await after(3_000, Promise.race([mine, other])), undefined);
    tell();
    assert.deepEqual(await after(400, Promise.all([mine, other])), ['allow', 'allow']);
    assert.deepEqual(redeemed, ['r1']);
  });

  it('is waited for 5 s at most, and nobody is signed out for it', async () => {
    const fleet = [worker(), worker()];
    const cookie = await logIn(worker(), strict);
    clock.time = START + PAST_END;
    let tell = (): void => {};
    answer = () =>
      new Promise((resolve) => {
        tell = () => void renewed().then(resolve);
      });
    const checks = Promise.all(fleet.map((sessions) => check(sessions, cookie, strict)));
    assert.equal(await after(4_000, checks), undefined);
    assert.deepEqual(await after(600, checks), ['renewal', 'renewal']);
    tell();
    await settle();
    for (const sessions of fleet) assert.equal(await check(sessions, cookie, strict), 'allow');
    assert.deepEqual(redeemed, ['r1']);
  });

  it('is over when the worker that renews it dies, once that is sure; its token is not redeemed again', async () => {
    const cookie = await logIn(worker(), strict);
    clock.time = START + PAST_END;
    answer = never;
    void check(worker(), cookie, strict);
    await settle();
    answer = renewed;
    const survivor = worker();
    assert.equal(await after(5_001, check(survivor, cookie, strict)), 'renewal');
    clock.time += 60_000;
    assert.equal(await after(5_001, check(survivor, cookie, strict)), 'none');
    assert.deepEqual(redeemed, ['r1']);
  });

  it('ends everywhere when the provider says that it is over', async () => {
    const [first, second] = [worker(), worker()];
    const cookie = await logIn(first, strict);
    clock.time = START + PAST_END;
    answer = async () => ({ kind: 'ended' });
    const checks = Promise.all([check(first, cookie, strict), check(second, cookie, strict)]);
    assert.deepEqual(await after(1_000, checks), ['none', 'none']);
    assert.equal(store.entries.size, 0);
    assert.deepEqual(
      published.map(({ source }) => source),
      ['refresh'],
    );
  });

  it('ends when somebody signs out while it is renewed', async () => {
    const [first, second] = [worker(), worker()];
    const cookie = await logIn(first, strict);
    clock.time = START + PAST_END;
    answer = async () => {
      await second.endSubject(strict, 'alice', 'backchannel');
      return renewed();
    };
    const checks = Promise.all([check(first, cookie, strict), check(second, cookie, strict)]);
    assert.deepEqual(await after(1_000, checks), ['none', 'none']);
    assert.equal(store.entries.size, 0);
  });

  it('ends with an answer that is no use, which before that changes nothing', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, graceful);
    answer = async () => ({ kind: 'refused', error: new Error('sub changed'), refreshToken: 'rotated' });
    clock.time = START + TOKEN_LIFE - 10_000;
    assert.equal(await check(sessions, cookie, graceful), 'allow');
    await settle();
    assert.equal((await storedOf(cookie, graceful))?.refreshToken, 'rotated');
    clock.time = START + PAST_END;
    assert.equal(await check(sessions, cookie, graceful), 'none');
    assert.equal(store.entries.size, 0);
  });

  it('is over with session.lifetime, and its record until then no earlier', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, strict);
    assert.equal([...store.entries.values()][0]?.expiresAt, START + 8 * HOUR);
    clock.time = START + 8 * HOUR - 1;
    assert.equal(await check(sessions, cookie, strict), 'allow');
    clock.time = START + 8 * HOUR;
    assert.equal(await check(sessions, cookie, strict), 'none');
    assert.deepEqual(redeemed, ['r1']);
  });

  it('is over if it has no refresh token', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, graceful, { refreshToken: null });
    clock.time = START + TOKEN_LIFE;
    assert.equal(await check(sessions, cookie, graceful), 'none');
    assert.deepEqual(redeemed, []);
  });

  it('is over if a version saved it that knew one end only', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, graceful, ONE_END);
    clock.time = START + TOKEN_LIFE;
    assert.equal(await check(sessions, cookie, graceful), 'none');
    assert.deepEqual(redeemed, []);
  });

  it('is over if session.refresh has been switched off', async () => {
    const cookie = await logIn(worker(), strict);
    clock.time = START + TOKEN_LIFE;
    const application = makeApplication({ session: { lifetime: '8h', refresh: false } });
    assert.equal(await check(worker(), cookie, application), 'none');
    assert.deepEqual(redeemed, []);
  });
});

describe('a session of the former version', () => {
  it('gets the second end when it is renewed', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, strict, ONE_END);
    clock.time = START + TOKEN_LIFE - 10_000;
    assert.equal(await check(sessions, cookie, strict), 'allow');
    await settle();
    const stored = await storedOf(cookie);
    assert.deepEqual([stored?.expiresAt, stored?.endsAt], [clock.time + TOKEN_LIFE, START + 8 * HOUR]);
  });
});

it('a session that ends before its tokens is not renewed', async () => {
  const sessions = worker();
  const cookie = await logIn(sessions, strict, { expiresAt: START + 8 * HOUR });
  clock.time = START + 8 * HOUR - 1;
  assert.equal(await check(sessions, cookie, strict), 'allow');
  await settle();
  assert.deepEqual(redeemed, []);
});

describe('while the identity provider is away', () => {
  it('a session is answered with 503, one worker asks a second, and it goes on afterwards', async () => {
    const fleet = [worker(), worker(), worker()];
    const cookie = await logIn(worker(), strict);
    clock.time = START + PAST_END;
    answer = away;
    const all = (): Promise<string[]> => Promise.all(fleet.map((sessions) => check(sessions, cookie, strict)));
    assert.deepEqual(await after(900, all()), ['renewal', 'renewal', 'renewal']);
    assert.deepEqual(redeemed, ['r1']);
    assert.deepEqual(published, []);
    clock.time += 1_000;
    answer = renewed;
    assert.deepEqual(await after(1_000, all()), ['allow', 'allow', 'allow']);
    assert.deepEqual(redeemed, ['r1', 'r1']);
  });

  it('a session is served for session.grace, then answered with 503, and goes on afterwards', async () => {
    const [first, second] = [worker(), worker()];
    const cookie = await logIn(first, graceful);
    answer = away;
    for (clock.time = START + PAST_END; clock.time < START + TOKEN_LIFE + HOUR; clock.time += 300_000) {
      for (const sessions of [first, second])
        assert.equal(await after(0, check(sessions, cookie, graceful)), 'allow', `${clock.time - START}`);
    }
    clock.time = START + TOKEN_LIFE + HOUR;
    for (const sessions of [first, second]) assert.equal(await after(0, check(sessions, cookie, graceful)), 'renewal');
    clock.time += 1_000;
    answer = renewed;
    assert.equal(await after(0, check(first, cookie, graceful)), 'allow');
    assert.equal((await storedOf(cookie, graceful))?.failedAt, undefined);
  });

  it('a session in use goes on from the cache over its tokens’ end, and it is asked every few seconds', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, graceful);
    answer = away;
    clock.time = START + TOKEN_LIFE - 3_000;
    for (; clock.time < START + TOKEN_LIFE + 30_000; await timers.advance(500)) {
      const entry = sessions.peek(cookie, graceful, clock.time);
      if (clock.time > START + TOKEN_LIFE - 2_000) assert.equal(entry?.kind, 'allow', `${clock.time - START}`);
      else await check(sessions, cookie, graceful);
    }
    assert.ok(redeemed.length > 10 && redeemed.length < 20, `${redeemed.length}`);
    answer = renewed;
    for (let i = 0; i < 6; i += 1) {
      assert.equal(sessions.peek(cookie, graceful, clock.time)?.kind, 'allow');
      await timers.advance(500);
    }
    assert.equal((await storedOf(cookie, graceful))?.refreshToken, `r${redeemed.length + 1}`);
  });

  it('a session that was not in use is not served from the cache: it may be back', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, graceful);
    answer = away;
    clock.time = START + TOKEN_LIFE - 1_000;
    await check(sessions, cookie, graceful);
    await settle();
    clock.time += 2_000;
    await check(sessions, cookie, graceful);
    await settle();
    assert.equal(sessions.peek(cookie, graceful, clock.time + 9_000)?.kind, 'allow');
    await settle();
    assert.equal(sessions.peek(cookie, graceful, clock.time + 11_000), undefined);
  });

  it('and hangs, session.grace lets a check through after 5 s and the next ones at once', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, graceful);
    clock.time = START + PAST_END;
    answer = never;
    assert.equal(await after(5_001, check(sessions, cookie, graceful)), 'allow');
    assert.equal(sessions.peek(cookie, graceful, clock.time)?.kind, 'allow');
  });

  it('and hangs, so many renewals of one application are under way and no more: the others have their own', async () => {
    const sessions = worker();
    const other = makeApplication({ name: 'other', session: { lifetime: '8h' } });
    const cookies: string[] = [];
    for (let i = 0; i < 200; i += 1) cookies.push(await logIn(sessions, strict));
    const elsewhere = await logIn(sessions, other, { provider: other.id });
    clock.time = START + PAST_END;
    const release: (() => void)[] = [];
    answer = () => new Promise((resolve) => release.push(() => void renewed().then(resolve)));
    const checks = cookies.map((cookie) => check(sessions, cookie, strict));
    await timers.advance(2_000);
    assert.equal(redeemed.length, 128);
    answer = renewed;
    assert.equal(await after(0, check(sessions, elsewhere, other)), 'allow');
    for (const tell of release) tell();
    assert.deepEqual(new Set(await after(1_000, Promise.all(checks))), new Set(['allow']));
    assert.equal(redeemed.length, 201);
  });

  it('and the store too, what is known is served while it counts, and then nothing is said about anybody', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, graceful);
    answer = away;
    clock.time = START + PAST_END;
    assert.equal(await after(0, check(sessions, cookie, graceful)), 'allow');
    store.down = true;
    await timers.advance(5_000);
    assert.equal(await check(sessions, cookie, graceful), 'allow');
    await timers.advance(6_000);
    assert.equal(await check(sessions, cookie, graceful), 'store');
    store.down = false;
    answer = renewed;
    assert.equal(await after(0, check(sessions, cookie, graceful)), 'allow');
  });

  it('cache.stale_max still bounds what is cached', async () => {
    const sessions = worker({ stale_max: 3_000 });
    const cookie = await logIn(sessions, graceful);
    answer = away;
    clock.time = START + PAST_END;
    assert.equal(await after(0, check(sessions, cookie, graceful)), 'allow');
    store.down = true;
    clock.time += 3_000;
    assert.equal(await check(sessions, cookie, graceful), 'store');
  });

  it('the refresh token that came with half an answer is kept', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, strict);
    clock.time = START + PAST_END;
    answer = async () => ({ kind: 'fault', error: new Error('no keys'), refreshToken: 'rotated' });
    assert.equal(await check(sessions, cookie, strict), 'renewal');
    clock.time += 1_000;
    answer = renewed;
    assert.equal(await check(sessions, cookie, strict), 'allow');
    assert.deepEqual(redeemed, ['r1', 'rotated']);
  });

  it('P/userinfo says so instead of "nobody is signed in"', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, strict);
    clock.time = START + PAST_END;
    answer = away;
    await assert.rejects(sessions.readRenewed(cookie, strict), { code: 'idp_unreachable' });
    clock.time += 1_000;
    answer = renewed;
    assert.equal((await sessions.readRenewed(cookie, strict))?.claims.preferredUsername, 'alice-renewed');
  });
});

describe('a store that is away in the middle of a renewal', () => {
  it('gets the new tokens when it is back', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, strict);
    clock.time = START + PAST_END;
    answer = async () => {
      store.down = true;
      return renewed();
    };
    assert.equal(await after(100, check(sessions, cookie, strict)), undefined);
    await timers.advance(120_000);
    store.down = false;
    await timers.advance(1_000);
    assert.equal(await check(sessions, cookie, strict), 'allow');
    assert.deepEqual(redeemed, ['r1']);
    assert.equal((await storedOf(cookie))?.refreshToken, 'r2');
  });

  it('forgets, when it is back, the session that the provider has ended meanwhile', async () => {
    const [first, second] = [worker(), worker()];
    const cookie = await logIn(first, strict);
    clock.time = START + TOKEN_LIFE - 10_000;
    answer = async () => {
      store.down = true;
      return { kind: 'ended' };
    };
    await check(first, cookie, strict);
    await timers.advance(3_000);
    store.down = false;
    await timers.advance(500);
    for (const sessions of [first, second]) assert.equal(await check(sessions, cookie, strict), 'none');
    assert.equal(store.entries.size, 0);
  });

  it('or takes nothing, keeps nobody waiting', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, graceful);
    clock.time = START + PAST_END;
    store.leases.acquire = () => Promise.reject(new Error('read-only'));
    assert.equal(await after(0, check(sessions, cookie, graceful)), 'store');
    assert.deepEqual(redeemed, []);
  });

  for (const lost of ['acquire', 'release'] as const) {
    it(`does not keep the lease whose ${lost} it has not answered`, async () => {
      const sessions = worker();
      const cookie = await logIn(sessions, strict);
      clock.time = START + PAST_END;
      const { leases } = store;
      const whole = leases[lost] as (...args: unknown[]) => Promise<boolean>;
      let times = 0;
      Object.assign(leases, {
        // What was asked has been done, or has not; nobody is told.
        [lost]: async (...args: unknown[]) => {
          times += 1;
          if (times > 1) return whole(...args);
          if (lost === 'acquire') await whole(...args);
          throw new Error('no answer');
        },
      });
      answer = away;
      await after(0, check(sessions, cookie, strict));
      clock.time += 1_000;
      answer = renewed;
      assert.equal(await after(0, check(sessions, cookie, strict)), 'allow');
    });
  }

  it('gets the token back that it has given out and was not sent', async () => {
    const sessions = worker();
    const cookie = await logIn(sessions, strict);
    clock.time = START + PAST_END;
    const replace = store.replace.bind(store);
    let lost = 2;
    store.replace = async (sealed) => {
      const replaced = await replace(sealed);
      lost -= 1;
      if (lost > 0) throw new Error('its answer was lost');
      return replaced;
    };
    assert.equal(await after(1_000, check(sessions, cookie, strict)), 'store');
    assert.deepEqual(redeemed, []);
    assert.equal(await after(0, check(sessions, cookie, strict)), 'allow');
    assert.deepEqual(redeemed, ['r1']);
  });
});

it('a worker that leaves waits for its renewals', async () => {
  const sessions = worker();
  const cookie = await logIn(sessions, strict);
  clock.time = START + TOKEN_LIFE - 10_000;
  let tell = (): void => {};
  answer = () =>
    new Promise((resolve) => {
      tell = () => void renewed().then(resolve);
    });
  await check(sessions, cookie, strict);
  await settle();
  const over = sessions.renewalsOver().then(() => 'over');
  assert.equal(await after(10, over), undefined);
  tell();
  assert.equal(await after(10, over), 'over');
  assert.equal((await storedOf(cookie))?.refreshToken, 'r2');
});
