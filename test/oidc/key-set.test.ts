// Keys that change while tokens come: none is lost for having come too early, and strangers make us ask no more often than we may.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CryptoKey, exportJWK, generateKeyPair, type JSONWebKeySet, type JWK, jwtVerify, SignJWT } from 'jose';
import { AkproxError } from '../../src/infra/errors.js';
import { type Bringer, createKeySet } from '../../src/oidc/key-set.js';
import { until } from '../kit/until.js';
import { failsWith } from './setup.js';

interface Pair {
  readonly jwk: JWK;
  readonly key: CryptoKey;
}

async function pair(kid: string): Promise<Pair> {
  const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' }, key: privateKey };
}

const [OLD, NEW, SAME_NAME] = [await pair('old'), await pair('new'), await pair('old')];
const tokenOf = ({ jwk, key }: Pair): Promise<string> =>
  new SignJWT({ sub: 'alice' }).setProtectedHeader({ alg: 'ES256', kid: jwk.kid ?? '' }).sign(key);

/** A clock that stands still until a timer is run; an identity provider that answers when it is told to. */
function setUp() {
  let time = 1_000;
  const timers: { at: number; work: () => void }[] = [];
  const asked: number[] = [];
  const answers: ((keys: JSONWebKeySet | Error) => void)[] = [];
  const idp = { keys: [OLD.jwk] as JWK[] | Error, slow: false };
  const wanting = { tokens: 0 };
  const set = createKeySet({
    monotonic: () => time,
    timers: {
      after: (ms, work) => {
        timers.push({ at: time + ms, work });
        return () => {};
      },
    },
    fetch: async () => {
      asked.push(time);
      if (idp.slow)
        return new Promise((resolve, reject) =>
          answers.push((keys) => (keys instanceof Error ? reject(keys) : resolve(keys))),
        );
      if (idp.keys instanceof Error) throw idp.keys;
      return { keys: idp.keys };
    },
  });
  return {
    idp,
    asked,
    answers,
    /** Until so many tokens in all have found no key that fits, and wait for others or are refused. */
    want: async (tokens: number): Promise<void> => {
      await until(() => wanting.tokens >= tokens);
      await settle();
      assert.equal(wanting.tokens, tokens);
    },
    timers,
    pass: (ms: number) => {
      time += ms;
      const due = timers.filter(({ at }) => at <= time);
      timers.splice(0, timers.length, ...timers.filter(({ at }) => at > time));
      for (const { work } of due) work();
    },
    verify: async (from: Pair, bringer: Bringer = 'identity_provider', once = false): Promise<string> => {
      const token = await tokenOf(from);
      let isWanting = false;
      try {
        return await set.use(
          async (key) => {
            try {
              return (await jwtVerify(token, key)).payload.sub ?? '';
            } catch (error) {
              if (!isWanting) wanting.tokens += 1;
              isWanting = true;
              throw error;
            }
          },
          bringer,
          once,
        );
      } catch (error) {
        if (error instanceof AkproxError) throw error;
        return 'refused';
      }
    },
  };
}

/** What needs nothing but promises comes to its end. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the key set of an identity provider', () => {
  it('is asked for once, however many want it, and then kept for ten minutes', async () => {
    const world = setUp();
    const verdicts = await Promise.all(Array.from({ length: 50 }, () => world.verify(OLD)));
    assert.ok(verdicts.every((verdict) => verdict === 'alice'));
    world.pass(599_999);
    assert.equal(await world.verify(OLD), 'alice');
    assert.equal(world.asked.length, 1);
    world.pass(1);
    assert.equal(await world.verify(OLD), 'alice');
    assert.equal(world.asked.length, 2);
  });

  for (const [name, next] of [
    ['under a new name', NEW],
    ['under the same name', SAME_NAME],
  ] as const) {
    it(`has another key ${name}: it is asked for again at once when the last time is long ago`, async () => {
      const world = setUp();
      await world.verify(OLD);
      world.pass(10_000);
      world.idp.keys = [next.jwk];
      assert.equal(await world.verify(next), 'alice');
      assert.equal(world.asked.length, 2);
      assert.equal(world.timers.length, 0);
    });

    it(`has another key ${name}: inside the cooldown tokens wait for its end, all for one request`, async () => {
      const world = setUp();
      await world.verify(OLD);
      world.pass(3_000);
      world.idp.keys = [next.jwk];
      const verdicts = Array.from({ length: 30 }, (_, i) => world.verify(next, i % 2 === 0 ? 'stranger' : undefined));
      await world.want(30);
      assert.equal(world.asked.length, 1);
      world.pass(6_999);
      await settle();
      assert.equal(world.asked.length, 1);
      world.pass(1);
      assert.deepEqual(new Set(await Promise.all(verdicts)), new Set(['alice']));
      assert.deepEqual(world.asked, [1_000, 11_000]);
    });
  }

  it('refuses by keys only that were asked for after the token came', async () => {
    const world = setUp();
    await world.verify(OLD);
    world.pass(10_000);
    world.idp.slow = true;
    const early = world.verify(NEW);
    await world.want(1);
    assert.equal(world.asked.length, 2);
    // The request under way may have been answered before this token was signed.
    const late = world.verify(SAME_NAME);
    await world.want(2);
    world.answers[0]?.({ keys: [NEW.jwk, OLD.jwk] });
    assert.equal(await early, 'alice');
    await settle();
    assert.equal(world.timers.length, 1);
    world.pass(10_000);
    await settle();
    world.answers[1]?.({ keys: [NEW.jwk, SAME_NAME.jwk] });
    assert.equal(await late, 'alice');
    assert.equal(world.asked.length, 3);
  });

  it('is not asked more often than every ten seconds, whatever strangers send and whether it answers', async () => {
    const world = setUp();
    assert.equal(await world.verify(OLD), 'alice');
    const verdicts: Promise<unknown>[] = [];
    for (let second = 1; second <= 60; second += 1) {
      world.idp.keys = second % 20 < 10 ? [OLD.jwk] : new AkproxError('idp_unreachable', 'down');
      for (let i = 0; i < 5; i += 1) verdicts.push(world.verify(NEW, 'stranger').catch(() => 'unreachable'));
      await world.want(verdicts.length);
      world.pass(1_000);
    }
    await settle();
    assert.deepEqual(
      world.asked,
      [0, 1, 2, 3, 4, 5, 6].map((n) => 1_000 + n * 10_000),
    );
    world.pass(10_000);
    assert.ok(!(await Promise.all(verdicts)).includes('alice'));
  });

  it('keeps room for tokens that the identity provider gave us, and lets only so many wait', async () => {
    const world = setUp();
    await world.verify(OLD);
    world.idp.keys = [NEW.jwk];
    const strangers = Array.from({ length: 300 }, () => world.verify(SAME_NAME, 'stranger').catch((e: unknown) => e));
    await world.want(300);
    await assert.rejects(world.verify(NEW, 'stranger'), failsWith('idp_unreachable', /too many/));
    const own = Array.from({ length: 1_000 }, () => world.verify(NEW).catch((error: unknown) => error));
    await world.want(1_301);
    await assert.rejects(world.verify(NEW), failsWith('idp_unreachable', /too many/));
    // Whoever needs no new key does not wait behind them.
    assert.equal(await world.verify(OLD, 'stranger'), 'alice');
    world.pass(10_000);
    const refused = (await Promise.all(strangers)).filter((verdict) => verdict === 'refused').length;
    assert.equal(refused, 256);
    assert.equal((await Promise.all(own)).filter((verdict) => verdict === 'alice').length, 1_024 - 256);
    assert.equal(world.asked.length, 2);
    assert.equal(await world.verify(NEW, 'stranger'), 'alice');
  });

  it("that cannot be fetched is not the token's fault, and is asked for again", async () => {
    const world = setUp();
    world.idp.keys = new AkproxError('idp_unreachable', 'down');
    await assert.rejects(world.verify(OLD), failsWith('idp_unreachable', /down/));
    world.idp.keys = [OLD.jwk];
    const second = world.verify(OLD);
    await until(() => world.timers.length === 1);
    world.pass(10_000);
    assert.equal(await second, 'alice');
    world.pass(10_000);
    world.idp.keys = new AkproxError('idp_unreachable', 'down');
    await assert.rejects(world.verify(NEW, 'stranger'), failsWith('idp_unreachable', /down/));
    assert.equal(await world.verify(OLD), 'alice');
  });

  it('is not asked for again for what is not worth it', async () => {
    const world = setUp();
    await world.verify(OLD);
    world.pass(20_000);
    assert.equal(await world.verify(NEW, 'identity_provider', true), 'refused');
    assert.equal(world.asked.length, 1);
  });
});
