import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Costs, capacity, readCapacity, showCapacity } from '../../bench/capacity.js';

const COSTS: Costs = { cached: 5, uncached: 25, idle: 80e6, session: 1_000, stored: 2_000 };

test('cores, memory and Redis commands follow from the costs', () => {
  const demand = { users: 10_000, rate: 100_000, hit: 0.9, workers: 2, load: 0.5 };
  assert.deepEqual(capacity(demand, COSTS), {
    microsPerCheck: 7,
    // 0.7 s of CPU per second, at half a core each.
    cores: 2,
    workerBytes: 2 * 90e6,
    redisBytes: 20e6,
    redisCommandsPerSecond: capacity(demand, COSTS).redisCommandsPerSecond,
  });
  assert.ok(Math.abs(capacity(demand, COSTS).redisCommandsPerSecond - 10_000) < 1e-6);
});

test('with nothing in the cache every check is a read; with everything, none', () => {
  const demand = { users: 1, rate: 1_000, hit: 0, workers: 1, load: 1 };
  assert.equal(capacity(demand, COSTS).redisCommandsPerSecond, 1_000);
  assert.equal(capacity({ ...demand, hit: 1 }, COSTS).redisCommandsPerSecond, 0);
  assert.equal(capacity({ ...demand, hit: 1 }, COSTS).microsPerCheck, 5);
});

test('costs come from the words, then from a result, and are never made up', () => {
  const words = ['users=10', 'rate=20', 'hit=0.5', 'cached=6'];
  const { demand, costs } = readCapacity(words, COSTS);
  assert.deepEqual(demand, { users: 10, rate: 20, hit: 0.5, workers: 2, load: 0.6 });
  assert.deepEqual(costs, { ...COSTS, cached: 6 });
  assert.match(showCapacity(demand, costs), /^Redis commands {4}10 per second/m);
  assert.throws(() => readCapacity(words, {}), /uncached= is missing/);
  assert.throws(() => readCapacity(['users=10', 'rate=1'], COSTS), /hit= is missing/);
});

test('what is not understood is refused', () => {
  for (const word of ['speed=1', 'users', 'users=', 'users=many', 'users=-1']) {
    assert.throws(() => readCapacity([word, 'rate=1', 'hit=1'], COSTS), /not understood/, word);
  }
  assert.throws(() => readCapacity(['users=1', 'rate=1', 'hit=90'], COSTS), /at most 1/);
  assert.throws(() => readCapacity(['users=1', 'rate=1', 'hit=1', 'load=0'], COSTS), /at most 1/);
});
