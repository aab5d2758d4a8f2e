import assert from 'node:assert/strict';
import { test } from 'node:test';
import { zipf } from '../../bench/mint.js';
import { trendOf } from '../../bench/trend.js';

const series = (bytes: (i: number) => number) =>
  Array.from({ length: 30 }, (_, i) => ({ checks: (i + 1) * 1_000, bytes: bytes(i) }));

test('a warm-up and noise are flat', () => {
  const trend = trendOf(
    series((i) => (i < 10 ? i * 100 : 1_000 + (i % 2) * 50)),
    1 / 3,
    100,
  );
  assert.equal(trend.flat, true);
  assert.ok(trend.mean >= 1_000);
});

test('a leak is not, and the line says how much it was', () => {
  const { flat, rise } = trendOf(
    series((i) => 1_000 + i * 10 + (i % 2) * 20),
    1 / 3,
    100,
  );
  assert.equal(flat, false);
  assert.ok(Math.abs(rise - 200) < 20, String(rise));
});

test('too few readings are no trend', () => {
  assert.throws(() => trendOf([{ checks: 1, bytes: 1 }], 0, 1), /three readings/);
});

test("Zipf's law: the first of a million is drawn about as often as the next two together", () => {
  const drawn = new Map<number, number>();
  for (let i = 0; i < 100_000; i += 1) {
    const rank = zipf(1_000_000, (i + 0.5) / 100_000);
    drawn.set(rank, (drawn.get(rank) ?? 0) + 1);
  }
  const [first = 0, second = 0, third = 0] = [0, 1, 2].map((rank) => drawn.get(rank) ?? 0);
  assert.ok(Math.abs(first / (second + third) - 1) < 0.05, `${first} ${second} ${third}`);
  assert.ok(Math.max(...drawn.keys()) < 1_000_000 && Math.min(...drawn.keys()) === 0);
});
