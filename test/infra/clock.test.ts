// The wall clock jumps; what people's sessions are compared with does not, unless the jump lasts.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createClock } from '../../src/infra/clock.js';

const HOUR = 3_600_000;
const START = 1_750_000_000_000;

/** `shift`: how far the wall clock is from the truth. */
function machine(shift = 0) {
  const time = { real: 0, shift };
  const clock = createClock(
    () => START + time.real + time.shift,
    () => time.real,
  );
  const runs = (milliseconds: number, step = 10_000): void => {
    for (const end = time.real + milliseconds; time.real < end; ) {
      time.real = Math.min(time.real + step, end);
      clock.now();
    }
  };
  return { time, clock, runs, error: () => clock.now() - START - time.real };
}

describe('the clock', () => {
  for (const jump of [25 * HOUR, -25 * HOUR]) {
    const name = `${jump / HOUR} hours`;

    it(`does not follow a jump of ${name} that lasts a second`, () => {
      const { time, runs, error } = machine();
      runs(120_000);
      time.shift = jump;
      runs(1_000, 20);
      assert.equal(error(), 0);
      time.shift = 0;
      runs(600_000);
      assert.equal(error(), 0);
    });

    it(`follows a jump of ${name} when it has lasted a minute`, () => {
      const { time, runs, error } = machine();
      runs(120_000);
      time.shift = jump;
      assert.equal(error(), 0);
      runs(59_000, 1_000);
      assert.equal(error(), 0);
      runs(2_000, 1_000);
      assert.equal(error(), jump);
      time.shift = 0;
      runs(61_000, 1_000);
      assert.equal(error(), 0);
    });

    it(`is not taken in by jumps of ${name} that come again and again`, () => {
      const { time, runs, error } = machine();
      runs(120_000);
      for (let i = 0; i < 20; i += 1) {
        time.shift = jump;
        runs(1_000, 500);
        assert.equal(error(), 0);
        time.shift = 0;
        runs(30_000, 15_000);
        assert.equal(error(), 0);
      }
    });

    it(`that starts in a jump of ${name} is right as soon as the wall clock is`, () => {
      const { time, runs, error } = machine(jump);
      runs(1_000, 20);
      assert.equal(error(), jump);
      time.shift = 0;
      assert.equal(error(), 0);
      runs(120_000);
      assert.equal(error(), 0);
    });
  }

  it('follows small steps at once, and a slow drift for ever', () => {
    const { time, runs, error } = machine();
    runs(120_000);
    time.shift = 800;
    assert.equal(error(), 800);
    for (let i = 0; i < 100; i += 1) {
      time.shift += 1_000;
      runs(60_000);
      assert.equal(error(), time.shift);
    }
  });

  it('says that it has settled after a minute, and not because of a jump', () => {
    for (const shift of [0, 25 * HOUR]) {
      const { time, clock, runs } = machine();
      runs(59_000);
      assert.equal(clock.settled(), false);
      time.shift = shift;
      runs(1_000);
      assert.equal(clock.settled(), shift === 0);
      time.shift = 0;
      runs(75_000);
      assert.equal(clock.settled(), true);
    }
  });

  it('needs nobody who asks it often', () => {
    const { time, clock, error } = machine();
    for (let i = 0; i < 3; i += 1) {
      time.real += HOUR;
      clock.now();
    }
    time.shift = 25 * HOUR;
    assert.equal(error(), 0);
    time.shift = 0;
    time.real += HOUR;
    assert.equal(error(), 0);
  });
});
