// Whatever keys come in whatever order: none twice in a period, never more than the bound together, and no key is shut out
// for longer than it has to be.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createRateGate } from '../../src/infra/rate-gate.js';

const PERIOD = 100;
const MOST = 3;

test('a key passes once in a period, and so many pass together', () => {
  const step = fc.record({ key: fc.constantFrom(...'abcdefgh'), wait: fc.constantFrom(0, 0, 1, 30, 99, 100, 250) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      let now = 0;
      const gate = createRateGate({ period: PERIOD, most: MOST, monotonic: () => now });
      let admitted: { key: string; at: number }[] = [];
      for (const { key, wait } of steps) {
        now += wait;
        admitted = admitted.filter(({ at }) => at > now - PERIOD);
        const expected = admitted.length < MOST && !admitted.some((other) => other.key === key);
        assert.equal(gate.isOpen(key), expected);
        assert.equal(gate.admit(key), expected);
        if (expected) admitted.push({ key, at: now });
      }
    }),
  );
});
