// Renewal with refresh tokens: once in the whole fleet, safe against races and crashes, and only the provider ends a session.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { pino } from 'pino';
import { readClaims } from '../../src/application/claims.js';
import type { RenewalAnswer } from '../../src/session/renewal.js';
import type { Revocation } from '../../src/session/revocation.js';
import type { Session } from '../../src/session/session.js';
import { Sessions } from '../../src/session/sessions.js';
import { makeApplication } from '../kit/application.js';
import { MemoryStore } from '../kit/memory-store.js';

const application = makeApplication({ session: { lifetime: '1h', refresh: true } });
const START = 1_000_000;
const TOKEN_LIFE = 400_000; // due 100 s before its end

let now: number;
let store: MemoryStore;
let redeemed: string[];
let answer: (refreshToken: string) => Promise<RenewalAnswer>;
let published: Revocation[];

function worker(): Sessions {
  return new Sessions({
    store,
    channel: { publish: (revocation) => published.push(revocation), subscribe: () => {} },
    cache: { max_bytes: 1_000_000, max_age: 60_000, stale_max: 300_000 },
    now: () => now,
    monotonic: () => now,
    random: () => 0,
    log: pino({ level: 'silent' }),
    redeem: (_provider, refreshToken) => {
      redeemed.push(refreshToken);
      return answer(refreshToken);
    },
  });
}

const renewed = (refreshToken: string | null): RenewalAnswer => ({
  kind: 'renewed',
  claims: readClaims({ sub: 'alice', preferred_username: 'alice-renewed' }),
  idToken: 'new-id-token',
  jwt: '',
  expiresAt: now + TOKEN_LIFE,
  refreshToken,
});

const session = (overrides: Partial<Session> = {}): Session => ({
  provider: application.id,
  claims: readClaims({ sub: 'alice', preferred_username: 'alice' }),
  createdAt: START,
  renewedAt: START,
  expiresAt: START + TOKEN_LIFE,
  idToken: 'id-token',
  jwt: '',
  refreshToken: 'r1',
  loginState: '',
  loginTarget: '',
  ...overrides,
});

/** A check as the daemon makes it: from the cache, or from the store; then whatever goes on in the background is awaited. */
async function check(sessions: Sessions, cookie: string): Promise<string> {
  const kind = sessions.peek(cookie, application, now)?.kind ?? (await sessions.load(cookie, application)).kind;
  for (let i = 0; i < 50; i += 1) await Promise.resolve();
  await new Promise((resolve) => setImmediate(resolve));
  return kind;
}

const stored = async (sessions: Sessions, cookie: string): Promise<Session | undefined> =>
  (await sessions.read(cookie, application))?.session;

beforeEach(() => {
  now = START;
  store = new MemoryStore(() => now);
  redeemed = [];
  published = [];
  answer = async () => renewed('r2');
});

describe('renewal', () => {
  it('happens shortly before the tokens end, not earlier, and the session goes on', async () => {
    const sessions = worker();
    const cookie = await sessions.create(application, session());
    now = START + 299_000;
    assert.equal(await check(sessions, cookie), 'allow');
    assert.deepEqual(redeemed, []);
    now = START + 301_000;
    assert.equal(await check(sessions, cookie), 'allow');
    assert.deepEqual(redeemed, ['r1']);
    const after = await stored(sessions, cookie);
    assert.equal(after?.refreshToken, 'r2');
    assert.equal(after?.claims.preferredUsername, 'alice-renewed');
    now = START + TOKEN_LIFE + 100_000;
    assert.equal(await check(sessions, cookie), 'allow');
  });

  it('is done once by many workers', async () => {
    const fleet = [worker(), worker(), worker()];
    const cookie = await (fleet[0] as Sessions).create(application, session());
    now = START + 301_000;
    await Promise.all(fleet.flatMap((sessions) => Array.from({ length: 10 }, () => check(sessions, cookie))));
    assert.deepEqual(redeemed, ['r1']);
  });

  it('does not outlive session.lifetime', async () => {
    const sessions = worker();
    const cookie = await sessions.create(application, session({ createdAt: START - 3_200_000 }));
    now = START + 301_000;
    await check(sessions, cookie);
    assert.equal((await stored(sessions, cookie))?.expiresAt, START - 3_200_000 + 3_600_000);
  });

  it('ends the session, everywhere, when the provider says that it is over', async () => {
    answer = async () => ({ kind: 'ended' });
    const sessions = worker();
    const cookie = await sessions.create(application, session());
    now = START + 301_000;
    await check(sessions, cookie);
    assert.equal(await check(sessions, cookie), 'none');
    assert.deepEqual(
      published.map(({ source }) => source),
      ['refresh'],
    );
  });

  it('is tried again after a network fault, and ends nothing', async () => {
    const sessions = worker();
    const cookie = await sessions.create(application, session());
    now = START + 301_000;
    answer = async () => ({ kind: 'fault', error: new Error('no answer') });
    assert.equal(await check(sessions, cookie), 'allow');
    assert.equal((await stored(sessions, cookie))?.refreshToken, 'r1');
    now += 2_001;
    answer = async () => renewed('r2');
    assert.equal(await check(sessions, cookie), 'allow');
    assert.deepEqual(redeemed, ['r1', 'r1']);
    assert.equal((await stored(sessions, cookie))?.refreshToken, 'r2');
  });

  it('is tried again also by who looked while the provider hung', async () => {
    const [first, second] = [worker(), worker()];
    const cookie = await first.create(application, session());
    now = START + 301_000;
    let hangUp = (): void => {};
    answer = () =>
      new Promise((resolve) => {
        hangUp = () => resolve({ kind: 'fault', error: new Error('no answer') });
      });
    assert.equal(await check(first, cookie), 'allow');
    now += 3_000;
    for (const sessions of [first, second]) assert.equal(await check(sessions, cookie), 'allow');
    now += 7_000;
    hangUp();
    answer = async () => renewed('r2');
    assert.equal(await check(second, cookie), 'allow');
    now += 2_001;
    for (const sessions of [first, second]) assert.equal(await check(sessions, cookie), 'allow');
    assert.deepEqual(redeemed, ['r1', 'r1']);
    assert.equal((await stored(second, cookie))?.refreshToken, 'r2');
  });

  it('never redeems a token twice when a worker dies between redeeming and saving', async () => {
    const doomed = worker();
    const cookie = await doomed.create(application, session());
    now = START + 301_000;
    answer = () => new Promise(() => {}); // the process is gone
    assert.equal(await check(doomed, cookie), 'allow');
    assert.deepEqual(redeemed, ['r1']);
    answer = async () => renewed('r2');
    const survivor = worker();
    now += 61_000; // the lease is over
    assert.equal(await check(survivor, cookie), 'allow');
    now += 3_000;
    assert.equal(await check(survivor, cookie), 'allow');
    assert.deepEqual(redeemed, ['r1'], 'the session lives to its end, without renewal');
  });

  it('does not bring back a session that was revoked meanwhile', async () => {
    const sessions = worker();
    const cookie = await sessions.create(application, session());
    now = START + 301_000;
    answer = async () => {
      await sessions.endSubject(application, 'alice', 'sign_out');
      return renewed('r2');
    };
    await check(sessions, cookie);
    assert.equal(store.entries.size, 0);
    assert.equal(await check(sessions, cookie), 'none');
  });

  it('does not happen without a refresh token', async () => {
    const sessions = worker();
    const cookie = await sessions.create(application, session({ refreshToken: null }));
    now = START + 399_000;
    assert.equal(await check(sessions, cookie), 'allow');
    now = START + TOKEN_LIFE;
    assert.equal(await check(sessions, cookie), 'none');
    assert.deepEqual(redeemed, []);
  });
});
