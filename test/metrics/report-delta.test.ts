// Whatever happens between two scrapes, the primary ends up with what the worker has counted.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CheckTiming } from '../../src/metrics/check-timing.js';
import { EMPTY_REPORT, type RequestRow } from '../../src/metrics/report.js';
import { DeltaSink } from '../../src/metrics/report-delta.js';

const hosts = fc.constantFrom('a.tld', 'b.tld', 'c.tld');
const methods = fc.constantFrom('GET', 'POST');
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ host: hosts, method: methods }) },
  { weight: 2, arbitrary: fc.constant('scrape' as const) },
  fc.constant('configure' as const),
);

describe('what a worker sends of its report', () => {
  it('is enough to know all of it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let clock = 1;
        const timing = new CheckTiming(() => clock);
        const counted = new Map<string, number>();
        const sink = new DeltaSink();
        let whole = true;
        for (const next of steps) {
          if (next === 'configure') whole = true;
          else if (next === 'scrape') {
            const rows = { ...EMPTY_REPORT, ...(whole ? timing.report() : timing.changes()) };
            sink.add(JSON.parse(JSON.stringify({ whole, rows })));
            whole = false;
            const known = sink.report().requests.map(([host, method, , ...counts]: RequestRow) => {
              return [`${host} ${method}`, counts.reduce((sum, count) => sum + count, 0)] as const;
            });
            assert.deepEqual(known.toSorted(), [...counted].toSorted());
          } else {
            const done = timing.timed(next.host, next.method);
            clock += 3;
            done();
            const key = `${next.host} ${next.method}`;
            counted.set(key, (counted.get(key) ?? 0) + 1);
          }
        }
      }),
    );
  });

  it('has only the rows that have changed', () => {
    const timing = new CheckTiming(() => 1);
    for (const host of ['a.tld', 'b.tld']) timing.timed(host, 'GET')();
    assert.equal(timing.report().requests.length, 2);
    assert.deepEqual(timing.changes().requests, []);
    timing.timed('b.tld', 'GET')();
    assert.deepEqual(timing.changes().requests, [['b.tld', 'GET', 0, 2]]);
    assert.deepEqual(timing.changes().requests, []);
  });

  it('drops what the whole report has no more', () => {
    const sink = new DeltaSink();
    const rows = (checks: string[]) => ({ ...EMPTY_REPORT, checks: checks.map((name) => [name, [1]] as const) });
    sink.add({ whole: true, rows: rows(['a', 'b']) });
    sink.add({ whole: false, rows: rows(['c']) });
    assert.deepEqual(sink.report().checks, [
      ['a', [1]],
      ['b', [1]],
      ['c', [1]],
    ]);
    sink.add({ whole: true, rows: rows(['c']) });
    assert.deepEqual(sink.report().checks, [['c', [1]]]);
  });
});
