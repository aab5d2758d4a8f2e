// One run of autocannon through its API; started by load.ts, so that it can be pinned and its garbage is not ours.
import { readFileSync } from 'node:fs';
import autocannon from 'autocannon';
import type { LoadPlan, LoadResult } from './load.js';

const plan = JSON.parse(process.argv[2] ?? '{}') as LoadPlan;

// One connection per check: its `reconnectRate` never gets an answer at rate 1; `Connection: close` in the headers does it.
const requests = plan.cookies
  ? readFileSync(plan.cookies, 'latin1')
      .trimEnd()
      .split('\n')
      .map((line) => ({ headers: { ...plan.headers, ...(line !== '-' && { Cookie: line }) } }))
  : undefined;
const result = await autocannon({
  url: plan.url,
  headers: { ...plan.headers },
  connections: plan.connections,
  duration: plan.seconds,
  ...(requests && { requests }),
});
const statuses = Object.fromEntries(
  Object.entries(result.statusCodeStats ?? {}).map(([status, { count }]) => [status, Number(count)]),
);
const report: LoadResult = {
  checks: Object.values(statuses).reduce((sum, count) => sum + count, 0),
  seconds: result.duration,
  bytes: result.throughput.total,
  failures: result['4xx'] + result['5xx'],
  hangUps: 0,
  errors: result.errors + result.timeouts,
  statuses,
  p50: result.latency.p50,
  p99: result.latency.p99,
  p999: result.latency.p99_9,
};
process.stdout.write(`${JSON.stringify(report)}\n`);
