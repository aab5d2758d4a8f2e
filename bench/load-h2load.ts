// h2load (Debian: nghttp2-client) with HTTP/1.1: the one generator that asks over unix sockets too.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadPlan, LoadResult } from './load.js';
import { percentile } from './percentiles.js';

export interface H2load {
  readonly command: readonly string[];
  /** What the run has left behind, and what it said. */
  read(stdout: string): LoadResult;
  clean(): void;
}

export function h2load(plan: LoadPlan): H2load {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-h2load-'));
  const log = join(directory, 'log');
  const headers = Object.entries(plan.headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const shape = ['--h1', '-t1', `-c${plan.connections}`, '-m1', `-D${plan.seconds}`, `--log-file=${log}`];
  const base = plan.socket === undefined ? [] : ['-B', `unix:${plan.socket}`];
  return {
    command: ['h2load', ...shape, ...base, ...headers, plan.url],
    read: (stdout) => readH2load(stdout, readFileSync(log, 'latin1'), plan.seconds),
    clean: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** `log`: a line for each answer: when, its status (-1: none), and microseconds. */
export function readH2load(stdout: string, log: string, seconds: number): LoadResult {
  const statuses: Record<string, number> = {};
  const times: number[] = [];
  let failures = 0;
  let unanswered = 0;
  for (const line of log.split('\n')) {
    const [, status, micros] = line.split('\t');
    if (status === undefined || micros === undefined) continue;
    if (status === '-1') {
      unanswered += 1;
      continue;
    }
    statuses[status] = (statuses[status] ?? 0) + 1;
    times.push(Number(micros) / 1_000);
    if (Number(status) >= 400) failures += 1;
  }
  const bytes = /^traffic: .*?\((\d+)\) total/m.exec(stdout)?.[1];
  const [, errored, timeout] = /(\d+) errored, (\d+) timeout/.exec(stdout) ?? [];
  if (bytes === undefined || errored === undefined) throw new Error(`h2load reported nothing:\n${stdout}`);
  return {
    checks: times.length,
    seconds,
    bytes: Number(bytes),
    failures,
    hangUps: 0,
    errors: Number(errored) + Number(timeout) + unanswered,
    statuses,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    p999: percentile(times, 0.999),
  };
}
