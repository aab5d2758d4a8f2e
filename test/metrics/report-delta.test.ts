// Whatever happens between two scrapes, the primary ends up with what the worker has counted.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DeltaSink, DeltaSource } from '../../src/infra/report-delta.js';
import { EMPTY_REPORT, type WorkerReport } from '../../src/infra/worker-report.js';

const name = fc.constantFrom('a', 'b', 'c', 'd');
/** A check, a provider that goes, or a scrape. */
const step = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant('check' as const), name) },
  fc.tuple(fc.constant('remove' as const), name),
  { weight: 2, arbitrary: fc.tuple(fc.constant('scrape' as const), name) },
);

function sorted({ checks, requests }: WorkerReport) {
  return [checks.toSorted(), requests.toSorted()].map((rows) => JSON.stringify(rows));
}

describe('what a worker sends of its report', () => {
  it('is enough to know all of it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const counts = new Map<string, number>();
        const report = (): WorkerReport => ({
          ...EMPTY_REPORT,
          errors: counts.size,
          checks: [...counts].map(([provider, count]) => [provider, [count, 0]]),
          requests: [...counts].map(([host, count]) => [host, 'GET', count / 1_000, count]),
        });
        const source = new DeltaSource();
        const sink = new DeltaSink();
        for (const [what, who] of steps) {
          if (what === 'check') counts.set(who, (counts.get(who) ?? 0) + 1);
          else if (what === 'remove') counts.delete(who);
          else {
            sink.add(JSON.parse(JSON.stringify(source.next(report()))));
            assert.deepEqual(sorted(sink.report()), sorted(report()));
            assert.equal(sink.report().errors, counts.size);
          }
        }
      }),
    );
  });

  it('has only the rows that have changed', () => {
    const source = new DeltaSource();
    const report = (a: number, b: number): WorkerReport => ({
      ...EMPTY_REPORT,
      checks: [
        ['a', [a]],
        ['b', [b]],
      ],
      requests: [
        ['a', 'GET', a, a],
        ['a', 'POST', b, b],
      ],
    });
    assert.equal(source.next(report(1, 1)).whole, true);
    const { whole, rows } = source.next(report(1, 2));
    assert.equal(whole, false);
    assert.deepEqual([rows.checks, rows.requests], [[['b', [2]]], [['a', 'POST', 2, 2]]]);
  });
});
