// A wall clock that jumps ends nobody's session and makes nothing immortal: neither while it is wrong nor afterwards.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { readClaims } from '../../src/application/claims.js';
import { findAttempt, saveAttempt } from '../../src/http/attempt.js';
import { Snapshot } from '../../src/http/exchange.js';
import { type Clock, createClock } from '../../src/infra/clock.js';
import { createLogGate } from '../../src/infra/log-gate.js';
import { createKeySet } from '../../src/oidc/key-set.js';
import { openEmbeddedStore } from '../../src/session/embedded/embedded-store.js';
import type { Session } from '../../src/session/session.js';
import { Sessions } from '../../src/session/sessions.js';
import type { SessionStore } from '../../src/session/store.js';
import { issueTicket } from '../../src/session/ticket.js';
import { makeApplication } from '../kit/application.js';
import { requestOf } from '../kit/checks.js';

const HOUR = 3_600_000;
const START = 1_750_000_000_000;
const JUMPS: readonly (readonly [string, number, number])[] = [
  ['25 hours ahead for a second', 25 * HOUR, 1_000],
  ['25 hours back for a second', -25 * HOUR, 1_000],
  ['25 hours ahead and ahead again', 25 * HOUR, 45_000],
];

const application = makeApplication({ session: { lifetime: '8h', refresh: true } });

let time: { real: number; shift: number };
let clock: Clock;
let directory: string;
let store: SessionStore;
let redeemed: number;
let sessions: Sessions;

function makeSessions(): Sessions {
  return new Sessions({
    store,
    channel: { publish: () => {}, subscribe: () => {} },
    cache: { max_bytes: 1_000_000, max_age: 60_000, stale_max: 300_000 },
    now: clock.now,
    monotonic: clock.monotonic,
    random: () => 0,
    log: pino({ level: 'silent' }),
    redeem: async () => {
      redeemed += 1;
      const claims = readClaims({ sub: 'alice' });
      return { kind: 'renewed', claims, idToken: '', jwt: '', expiresAt: clock.now() + HOUR, refreshToken: 'r2' };
    },
  });
}

const logIn = (more: Partial<Session> = {}): Promise<string> =>
  sessions.create(application, {
    provider: application.id,
    claims: readClaims({ sub: 'alice' }),
    createdAt: clock.now(),
    renewedAt: clock.now(),
    expiresAt: clock.now() + HOUR,
    idToken: '',
    jwt: '',
    refreshToken: 'r1',
    loginState: '',
    loginTarget: '',
    ...more,
  });

/** As a check does it: from the cache, or from the store. */
async function check(cookie: string): Promise<string> {
  const kind = sessions.peek(cookie, application, time.real)?.kind ?? (await sessions.load(cookie, application)).kind;
  await sessions.load(cookie, application); // what began in the background is over
  return kind;
}

function pass(milliseconds: number): void {
  for (const end = time.real + milliseconds; time.real < end; ) {
    time.real = Math.min(time.real + 5_000, end);
    clock.now();
  }
}

/** Resolves when a renewal has given its lease back, which is the last thing that it does. */
function renewalOver(): Promise<void> {
  const release = store.leases.release.bind(store.leases);
  return new Promise((resolve) => {
    store.leases.release = async (name, token) => {
      store.leases.release = release;
      const released = await release(name, token);
      resolve();
      return released;
    };
  });
}

beforeEach(async () => {
  time = { real: 0, shift: 0 };
  clock = createClock(
    () => START + time.real + time.shift,
    () => time.real,
  );
  pass(120_000);
  directory = await mkdtemp(join(tmpdir(), 'akprox-clock-'));
  store = await openEmbeddedStore({ path: directory, maxBytes: 16_777_216, now: clock.now });
  redeemed = 0;
  sessions = makeSessions();
});
afterEach(async () => {
  await store.close();
  await rm(directory, { recursive: true, force: true });
});

for (const [name, shift, lasts] of JUMPS) {
  describe(`the wall clock jumps ${name}`, () => {
    /** `during` while it is wrong, and `afterwards` a moment after it is right again. */
    async function jump(during: () => Promise<void> | void, afterwards: () => Promise<void> | void): Promise<void> {
      time.shift = shift;
      await during();
      pass(lasts);
      await during();
      time.shift = 0;
      await afterwards();
      pass(1_000);
      await afterwards();
    }

    it('and a cached session is served', async () => {
      const cookie = await logIn();
      const served = async () => assert.equal(await check(cookie), 'allow');
      await jump(served, served);
      pass(600_000);
      await served();
    });

    it('and so is one that the store has to be asked for', async () => {
      const cookie = await logIn();
      const served = async () => {
        sessions.clear();
        assert.equal(await check(cookie), 'allow');
      };
      await jump(served, served);
    });

    it('and a session that ends meanwhile ends', async () => {
      const cookie = await logIn();
      const begin = time.real;
      await jump(
        () => {},
        () => {},
      );
      pass(begin + 8 * HOUR - time.real);
      sessions.clear();
      assert.equal(await check(cookie), 'none');
    });

    it('and a cookie without a session is forgotten when its time is over, not before', async () => {
      const { cookie } = issueTicket(application);
      assert.equal(await check(cookie), 'none');
      const asked = sessions.misses;
      time.shift = shift;
      assert.equal(sessions.peek(cookie, application, time.real)?.kind, 'none');
      time.shift = 0;
      pass(9_999);
      assert.equal(sessions.peek(cookie, application, time.real)?.kind, 'none');
      assert.equal(sessions.misses, asked);
      pass(2);
      assert.equal(sessions.peek(cookie, application, time.real), undefined);
    });

    it('and a held-back log line comes in its minute', () => {
      const gate = createLogGate(clock.monotonic);
      assert.equal(gate.pass('line'), 0);
      time.shift = shift;
      assert.equal(gate.pass('line'), null);
      time.shift = 0;
      pass(59_000);
      assert.equal(gate.pass('line'), null);
      pass(1_001);
      assert.equal(gate.pass('line'), 2);
    });

    it('and a login attempt is good for its ten minutes', () => {
      const request = (cookie: string) => Snapshot.of(requestOf([['cookie', cookie]]), '');
      const attempt = { state: 's', nonce: 'n', codeVerifier: 'v', target: '/', startedAt: clock.now() };
      const [cookie = ''] = saveAttempt(application, attempt, request(''), clock.now());
      const found = () => findAttempt(application, 's', request(cookie.split(';')[0] ?? ''), clock.now());
      const good = () => assert.deepEqual(found(), attempt);
      return jump(good, good).then(() => {
        pass(600_000);
        assert.equal(found(), 'expired');
      });
    });

    it('and a session is renewed once, when its time has come', async () => {
      const cookie = await logIn();
      const served = async () => {
        sessions.clear();
        assert.equal(await check(cookie), 'allow');
      };
      await jump(served, served);
      pass(HOUR - 119_000 - lasts);
      const over = renewalOver();
      await served();
      await over;
      assert.equal(redeemed, 1);
      await jump(served, served);
      assert.equal(redeemed, 1);
    });

    it('and a session that was idle past the end of its tokens is renewed once', async () => {
      const cookie = await logIn({ endsAt: clock.now() + 8 * HOUR });
      pass(2 * HOUR);
      assert.equal(await store.sweep(), 0);
      const served = async () => {
        sessions.clear();
        assert.equal(await check(cookie), 'allow');
      };
      await jump(served, served);
      assert.equal(redeemed, 1);
      pass(6 * HOUR);
      sessions.clear();
      assert.equal(await check(cookie), 'none');
    });

    it('in the middle of a renewal, and it is saved', async () => {
      const cookie = await logIn();
      pass(HOUR - 100_000);
      const replace = store.replace.bind(store);
      store.replace = (sealed) => {
        time.shift = time.shift === 0 ? shift : 0;
        return replace(sealed);
      };
      const over = renewalOver();
      await check(cookie);
      await over;
      assert.equal(redeemed, 1);
      time.shift = 0;
      assert.equal((await sessions.read(cookie, application))?.session.refreshToken, 'r2');
    });

    it('and the sweep removes what has ended and nothing else', async () => {
      const ended = await logIn();
      pass(HOUR - 60_000);
      const lives = await logIn();
      await jump(
        async () => assert.equal(await store.sweep(), 0),
        async () => assert.equal(await store.sweep(), 0),
      );
      pass(60_000);
      assert.equal(await store.sweep(), 1);
      assert.equal(await sessions.read(ended, application), null);
      assert.notEqual(await sessions.read(lives, application), null);
    });

    it('and a sign-out ends what it would have ended', async () => {
      const cookies = [await logIn(), await logIn()];
      time.shift = shift;
      assert.equal(await sessions.endSubject(application, 'alice', 'sign_out'), 2);
      time.shift = 0;
      for (const cookie of cookies) assert.equal(await check(cookie), 'none');
    });

    it('and a lease is held for its time', async () => {
      const acquire = () => store.leases.acquire('work', 10_000, randomBytes(8).toString('hex'));
      assert.equal(await acquire(), true);
      time.shift = shift;
      assert.equal(await acquire(), false);
      time.shift = 0;
      pass(9_000);
      assert.equal(await acquire(), false);
      pass(1_001);
      assert.equal(await acquire(), true);
    });

    it('and the keys of a provider are asked for again', async () => {
      let asked = 0;
      const keys = createKeySet({
        fetch: async () => {
          asked += 1;
          return { keys: [] };
        },
        monotonic: clock.monotonic,
        timers: { after: () => assert.fail('nothing has to be waited for') },
      });
      const token = { payload: '', signature: '' };
      const ask = () => assert.rejects(keys.use(async (key) => key({ alg: 'RS256', kid: 'new' }, token), 'stranger'));
      time.shift = shift;
      await ask();
      assert.equal(asked, 1);
      time.shift = 0;
      pass(10_001);
      await ask();
      assert.equal(asked, 2);
    });
  });
}

it('a jump that lasts counts: a session ends by the wall clock', async () => {
  const cookie = await logIn();
  time.shift = 25 * HOUR;
  pass(70_000);
  sessions.clear();
  assert.equal(await check(cookie), 'none');
});

it('a lease that was taken by a process whose clock was ahead is not held for a day', async () => {
  const wrong = await openEmbeddedStore({ path: directory, maxBytes: 16_777_216, now: () => clock.now() + 25 * HOUR });
  assert.equal(await wrong.leases.acquire('work', 10_000, 'a'), true);
  await wrong.close();
  assert.equal(await store.leases.acquire('work', 10_000, 'b'), true);
});
