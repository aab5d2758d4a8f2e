// The sample of cached checks stands for all of them, and no client can add series.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CHECK_BOUNDS, CHECKS_PER_SAMPLE, CheckTiming } from '../../src/metrics/check-timing.js';
import { costInYardsticks } from '../kit/cost.js';

function timing(): { timing: CheckTiming; pass(ms: number): void; reads(): number } {
  let now = 1_000;
  let reads = 0;
  const clock = (): number => {
    reads += 1;
    return now;
  };
  return {
    timing: new CheckTiming(clock),
    pass: (ms) => {
      now += ms;
    },
    reads: () => reads,
  };
}

describe('the duration of checks', () => {
  it('is sampled when they are answered at once, and counted for all', () => {
    const { timing: checks, pass, reads } = timing();
    for (let i = 0; i < CHECKS_PER_SAMPLE * 10; i += 1) {
      const started = checks.sample();
      pass(0.02);
      if (started !== 0) checks.sampled(started, 'whoami.company.tld', 'GET');
    }
    assert.equal(reads(), 20);
    const [sum = 0, ...counts] = checks.duration.take();
    assert.equal(counts[CHECK_BOUNDS.indexOf(0.000025)], CHECKS_PER_SAMPLE * 10);
    assert.ok(Math.abs(sum - CHECKS_PER_SAMPLE * 10 * 0.00002) < 1e-9);
    assert.equal(checks.takeRequests()[0]?.[1][1], CHECKS_PER_SAMPLE * 10);
  });

  it('is exact for the others', () => {
    const { timing: checks, pass } = timing();
    const done = checks.timed('whoami.company.tld', 'POST');
    pass(30);
    done();
    const [, ...counts] = checks.duration.take();
    assert.equal(counts[CHECK_BOUNDS.indexOf(0.05)], 1);
    assert.deepEqual(
      checks.takeRequests().map(([values]) => values),
      [['POST', 'whoami.company.tld']],
    );
  });

  it('is exact for those that wait, and the sample stands for the others alone', () => {
    const { timing: checks } = timing();
    for (let i = 0; i < CHECKS_PER_SAMPLE * 10; i += 1) {
      for (const waits of [false, i % 3 === 0]) {
        const started = checks.sample();
        if (waits) checks.waits('whoami.company.tld', 'POST')();
        else if (started !== 0) checks.sampled(started, 'whoami.company.tld', 'GET');
      }
    }
    const rows = checks.takeRequests();
    const counted = (method: string): number =>
      rows
        .filter(([values]) => values[0] === method)
        .flatMap(([, [, ...counts]]) => counts)
        .reduce((sum, n) => sum + n, 0);
    const waited = Math.ceil((CHECKS_PER_SAMPLE * 10) / 3);
    assert.equal(counted('POST'), waited);
    const atOnce = CHECKS_PER_SAMPLE * 20 - waited;
    assert.ok(
      counted('GET') <= atOnce && counted('GET') > atOnce - CHECKS_PER_SAMPLE,
      `${counted('GET')} of ${atOnce}`,
    );
  });

  it('has bounded labels, whatever clients send', () => {
    const { timing: checks } = timing();
    for (let i = 0; i < 1_000; i += 1) checks.timed(null, `M${i}`)();
    assert.deepEqual(
      checks.takeRequests().map(([values]) => values),
      [['other', 'other']],
    );
  });

  it('has only what was counted since it was taken, and nothing of a host without requests', () => {
    const { timing: checks } = timing();
    for (const host of ['a.tld', 'b.tld']) checks.timed(host, 'GET')();
    assert.equal(checks.takeRequests().length, 2);
    assert.deepEqual(checks.takeRequests(), []);
    checks.timed('b.tld', 'GET')();
    assert.deepEqual(checks.takeRequests(), [
      [
        ['GET', 'b.tld'],
        [0, 1],
      ],
    ]);
    assert.deepEqual(checks.takeRequests(), []);
  });

  it('of 1000 applications costs little more to count and tell than to send', async () => {
    const { timing: checks } = timing();
    const count = (): void => {
      for (let i = 0; i < 1_000; i += 1)
        for (const method of ['GET', 'POST']) checks.timed(`${i}.company.tld`, method)();
    };
    count();
    const rows = checks.takeRequests();
    const ratio = await costInYardsticks(
      () => {
        count();
        assert.ok(JSON.stringify(checks.takeRequests()).includes('999.company.tld'));
      },
      () => JSON.stringify(rows),
      30,
    );
    assert.ok(ratio < 10, `${ratio.toFixed(1)} times as much`);
  });
});
