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
    const { checkDuration, requests } = checks.report();
    assert.equal(checkDuration.counts[CHECK_BOUNDS.indexOf(0.000025)], CHECKS_PER_SAMPLE * 10);
    assert.ok(Math.abs(checkDuration.sum - CHECKS_PER_SAMPLE * 10 * 0.00002) < 1e-9);
    assert.equal(requests[0]?.[3], CHECKS_PER_SAMPLE * 10);
  });

  it('is exact for the others', () => {
    const { timing: checks, pass } = timing();
    const done = checks.timed('whoami.company.tld', 'POST');
    pass(30);
    done();
    const { checkDuration, requests } = checks.report();
    assert.equal(checkDuration.counts[CHECK_BOUNDS.indexOf(0.05)], 1);
    assert.deepEqual(
      requests.map(([host, method]) => [host, method]),
      [['whoami.company.tld', 'POST']],
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
    const counted = (method: string): number =>
      checks
        .report()
        .requests.filter((row) => row[1] === method)
        .flatMap(([, , , ...counts]) => counts)
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
      checks.report().requests.map(([host, method]) => [host, method]),
      [['other', 'other']],
    );
  });

  it('forgets hosts that are no more when there are too many', () => {
    const { timing: checks } = timing();
    for (let i = 0; i < 1_500; i += 1) checks.timed(`${i}.company.tld`, 'GET')();
    checks.forgetHosts(new Set(['0.company.tld']));
    assert.equal(checks.changes().requests.length, 1_001);
    const hosts = checks.report().requests.map(([host]) => host);
    assert.equal(hosts.length, 1_001);
    assert.equal(hosts[0], '0.company.tld');
  });

  it('of 1000 applications costs little more to tell than to send', async () => {
    const { timing: checks } = timing();
    for (let i = 0; i < 1_000; i += 1) for (const method of ['GET', 'POST']) checks.timed(`${i}.company.tld`, method)();
    const report = checks.report();
    const ratio = await costInYardsticks(
      () => assert.ok(JSON.stringify(checks.report()).includes('999.company.tld')),
      () => JSON.stringify(report),
      30,
    );
    assert.ok(ratio < 5, `${ratio.toFixed(1)} times as much`);
  });
});
