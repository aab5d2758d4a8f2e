// What the bench through Traefik makes of what it reads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cell, Sample } from '../../bench/measure.js';
import { percentile } from '../../bench/percentiles.js';
import { snmpCounter } from '../../bench/processes.js';
import { result, table } from '../../bench/report.js';
import { deployedOptions, SCENARIO, traefikRows } from '../../bench/traefik-cells.js';
import { accepted } from '../../bench/traefik-scene.js';
import { judge } from '../../bench/verdict.js';
import { makeCell, SETTINGS } from './cells.js';

test('a counter of TCP is read by its name', () => {
  const text = 'Ip: A B\nIp: 1 2\nTcp: RtoMin ActiveOpens PassiveOpens\nTcp: 200 17 4\nUdp: ActiveOpens\nUdp: 9\n';
  assert.equal(snmpCounter(text, 'ActiveOpens'), 17);
  assert.equal(snmpCounter(text, 'PassiveOpens'), 4);
  assert.equal(snmpCounter(text, 'Nothing'), null);
});

test('what nginx has accepted is the first of its three numbers', () => {
  assert.equal(accepted('Active connections: 2 \nserver accepts handled requests\n 31 30 4711 \nReading: 0'), 31);
  assert.throws(() => accepted('404'), /no count/);
});

test('the files of deploy/ say how Traefik asks, apart from where', () => {
  const options = deployedOptions();
  assert.ok(Array.isArray(options['authResponseHeaders']));
  assert.equal(options['maxResponseBodySize'], 16_384);
  assert.equal('address' in options || 'tls' in options, false);
  assert.throws(() => deployedOptions('http: { middlewares: { other: {} } }'), /no forwardAuth/);
});

const cell = (name: string, samples: readonly Partial<Sample>[], fault: string | null = null): Cell => {
  const made = makeCell({ title: name });
  const whole = samples.map((sample) => ({
    checksPerSecond: 0,
    cpu: 0,
    p50: 1,
    p99: 2,
    p999: 3,
    rss: null,
    ...sample,
  }));
  return { ...made, scenario: SCENARIO, target: { ...made.target, name }, samples: whole, fault };
};

test('the rows of the budget are ratios of one round each', () => {
  const rows = traefikRows([
    cell('nginx', [
      { checksPerSecond: 1_000, proxyCpu: 200 },
      { checksPerSecond: 2_000, proxyCpu: 100 },
    ]),
    cell('akprox-https', [
      { checksPerSecond: 1_700, proxyCpu: 100, opened: 0, cpu: 30 },
      { checksPerSecond: 3_600, proxyCpu: 40, opened: 0.02, cpu: 60 },
    ]),
    cell('akprox-http', [{ proxyCpu: 220 }, { proxyCpu: 210 }]),
    cell('akprox-alone', [], 'status 500'),
  ]);
  assert.deepEqual(
    rows.map(({ rounds }) => rounds),
    [[1.7, 1.8], [0.5, 0.4], [0, 0.02], [30, 60], []],
  );
  assert.deepEqual(
    rows.map((row) => judge(row).verdict),
    ['met', 'met', 'met', 'within', 'not measured'],
  );
  assert.match(rows[4]?.missing ?? '', /akprox-alone: status 500/);
});

test('the table has the columns that somebody has figures for, and no others', () => {
  const shown = table(
    result([cell('akprox-https', [{ proxyCpu: 100, opened: 0.5 }])], SETTINGS, { commit: 'x', dirty: false }),
  );
  assert.match(shown, /proxy µs\/check +opened\/check/);
  assert.match(shown, /akprox-https +0 +0\.00 +100 +0\.500 +1\.00 +2\.00/);
  assert.doesNotMatch(shown, /RSS MiB|at rate/);
});

test('a percentile is one of the values', () => {
  assert.equal(percentile([3, 1, 2, 4], 0.5), 2);
  assert.equal(percentile([3, 1, 2, 4], 0.99), 4);
  assert.equal(percentile([7], 0.001), 7);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});
