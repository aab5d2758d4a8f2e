// What the bench of unix sockets makes of h2load and of its samples.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readH2load } from '../../bench/load-h2load.js';
import { unixRows } from '../../bench/unix-cells.js';
import { makeCell } from './cells.js';

const OUTPUT = `finished in 1.00s, 3.00 req/s, 1.00KB/s
requests: 3 total, 3 started, 3 done, 2 succeeded, 1 failed, 0 errored, 2 timeout
status codes: 2 2xx, 0 3xx, 0 4xx, 1 5xx
traffic: 1.47KB (1500) total, 1.00KB (1000) headers (space savings 0.00%), 0B (0) data
`;

test('answers of h2load are counted from its log, by status', () => {
  const log =
    '1700000000000000\t200\t1000\n1700000000000001\t200\t3000\n1700000000000002\t503\t2000\n1700000000000003\t-1\t9\n';
  const read = readH2load(OUTPUT, log, 2);
  assert.deepEqual(read.statuses, { 200: 2, 503: 1 });
  assert.deepEqual([read.checks, read.failures, read.bytes, read.seconds], [3, 1, 1500, 2]);
  assert.equal(read.errors, 3);
  assert.deepEqual([read.p50, read.p99], [2, 3]);
});

test('an h2load that says nothing has no figures', () => {
  assert.throws(() => readH2load('', '', 1), /reported nothing/);
});

test('the rows compare the unix socket with nginx over TCP and over the same', () => {
  const cell = (name: string, cpu: readonly number[], fault?: string) => {
    const made = makeCell({ cpu, ...(fault !== undefined && { fault }) });
    return { ...made, target: { ...made.target, name } };
  };
  const [tcp, same] = unixRows([
    cell('akprox-unix', [6, 5]),
    cell('nginx-tcp', [10, 20]),
    cell('nginx-unix', [], 'refused'),
  ]);
  assert.deepEqual(tcp?.rounds, [0.6, 0.25]);
  assert.deepEqual(same?.rounds, []);
  assert.match(same?.missing ?? '', /refused/);
});
