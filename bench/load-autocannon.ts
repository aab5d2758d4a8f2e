// One run of autocannon through its API; started by load.ts, so that it can be pinned and its garbage is not ours.
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import autocannon, { type Instance, type Options, type Result } from 'autocannon';
import type { LoadPlan, LoadResult } from './load.js';
import { percentile } from './percentiles.js';

const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;
/**
 * Each connection of autocannon sends what its rate allows for a second at once, and then waits for the next second. So many runs, one
 * beginning after the other within a second, make that a rate.
 */
const RUNS = 16;

// One connection per check: its `reconnectRate` never gets an answer at rate 1; `Connection: close` in the headers does it.
const requests = plan.cookies
  ? readFileSync(plan.cookies, 'latin1')
      .trimEnd()
      .split('\n')
      .map((line) => ({ headers: { ...plan.headers, ...(line !== '-' && { Cookie: line }) } }))
  : undefined;
const options: Options = {
  url: plan.url,
  headers: { ...plan.headers },
  connections: plan.connections,
  duration: plan.seconds,
  ...(requests && { requests }),
};
const times: number[] = [];
const results = plan.rate === undefined ? [await autocannon(options)] : await paced(plan.rate);

const statuses: Record<string, number> = {};
for (const result of results) {
  for (const [status, { count }] of Object.entries(result.statusCodeStats ?? {}))
    statuses[status] = (statuses[status] ?? 0) + Number(count);
}
const sum = (pick: (result: Result) => number): number => results.reduce((total, result) => total + pick(result), 0);
const [first] = results;
const at = (share: number, own: number | undefined): number =>
  plan.rate === undefined ? (own ?? Number.NaN) : percentile(times, share);
const report: LoadResult = {
  checks: Object.values(statuses).reduce((total, count) => total + count, 0),
  seconds: Math.max(...results.map(({ duration }) => duration)),
  bytes: sum(({ throughput }) => throughput.total),
  failures: sum((result) => result['4xx'] + result['5xx']),
  hangUps: 0,
  errors: sum((result) => result.errors + result.timeouts),
  statuses,
  p50: at(0.5, first?.latency.p50),
  p99: at(0.99, first?.latency.p99),
  p999: at(0.999, first?.latency.p99_9),
};
process.stdout.write(`${JSON.stringify(report)}\n`);

/** Its own histogram counts whole milliseconds, and fills in what it takes for missing; these are the times as they were. */
async function paced(rate: number): Promise<Result[]> {
  const share = {
    ...options,
    connections: Math.max(1, Math.round(plan.connections / RUNS)),
    overallRate: Math.max(1, Math.round(rate / RUNS)),
  };
  const runs: Promise<Result>[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    runs.push(
      new Promise((resolve, reject) => {
        const instance: Instance = autocannon(share, (error, result) => (error ? reject(error) : resolve(result)));
        instance.on('response', (_client, _status, _bytes, milliseconds) => times.push(milliseconds));
      }),
    );
    await pause(1_000 / RUNS);
  }
  return Promise.all(runs);
}
