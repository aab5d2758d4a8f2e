// Waits double up to their bound, lose at most their jitter, and begin anew when it has worked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createBackoff, waitAfter } from '../../src/infra/backoff.js';

test('waits double up to the longest, and begin anew after a success', () => {
  const backoff = createBackoff({ first: 100, longest: 1_000 });
  const waits = () => Array.from({ length: 6 }, () => backoff.next());
  assert.deepEqual(waits(), [100, 200, 400, 800, 1_000, 1_000]);
  backoff.reset();
  assert.deepEqual(waits(), [100, 200, 400, 800, 1_000, 1_000]);
});

test('of each wait its jitter is left out at most', () => {
  const jittered = (random: number) => ({ first: 100, longest: 1_000, jitter: 0.25, random: () => random });
  assert.deepEqual([waitAfter(1, jittered(0)), waitAfter(1, jittered(1))], [100, 75]);
  assert.deepEqual([waitAfter(9, jittered(0)), waitAfter(9, jittered(1))], [1_000, 750]);
});

test('an outage of years is waited for like one of hours', () => {
  assert.equal(waitAfter(100_000, { first: 100, longest: 1_000 }), 1_000);
});
