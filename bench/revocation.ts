// node --import tsx bench/revocation.ts [--count 1000]: two nodes of two workers on one Redis; how long after a sign-out on
// one of them none of the four workers lets the session pass any more. Exit code 1: p99 is 100 ms or more, or one survived.
import { parseArgs } from 'node:util';
import { percentile } from './percentiles.js';
import { NODES, revocationTimes } from './revocation-times.js';
import { buildIfStale } from './targets/akprox.js';

const BOUND_MS = 100;

const { values } = parseArgs({ options: { count: { type: 'string', default: '1000' } } });
const count = Number(values.count);
if (!Number.isSafeInteger(count) || count < 1) throw new Error('--count is a whole number above 0');

buildIfStale();
const times = await revocationTimes(count);
const survived = times.filter((time) => time === Number.POSITIVE_INFINITY).length;
const [p50, p99, max] = [percentile(times, 0.5), percentile(times, 0.99), percentile(times, 1)];
console.log(`${count} revocations on ${NODES} nodes of two workers; sessions that survived: ${survived}`);
console.log(`p50 ${p50.toFixed(1)} ms  p99 ${p99.toFixed(1)} ms  max ${max.toFixed(1)} ms`);
if (survived > 0 || p99 >= BOUND_MS) process.exitCode = 1;
