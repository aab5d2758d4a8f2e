// The load generators, each a process of its own on the cores that the servers do not have. wrk is the better one: autocannon
// is busy before the server is, so with it only CPU per check says something about the server.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { h2load } from './load-h2load.js';
import type { Generator } from './options.js';

export interface LoadPlan {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly seconds: number;
  /** File with a Cookie header on each line (`-`: none), sent in turn; null: `headers` says it all. */
  readonly cookies?: string | null;
  /** A unix socket that is asked instead of the URL's host. h2load only. */
  readonly socket?: string;
  /** Checks per second, instead of as many as there can be. autocannon only. */
  readonly rate?: number;
}

export interface LoadResult {
  readonly checks: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Answers of 400 and above. */
  readonly failures: number;
  /**
   * Connections that ended where the generator expected to go on. uWebSockets.js closes after `Connection: close` without
   * repeating the header, so with one connection per check wrk counts each of them; elsewhere there must be none.
   */
  readonly hangUps: number;
  /** Connections refused, timeouts. */
  readonly errors: number;
  /** By status; null when the generator does not tell. */
  readonly statuses: Readonly<Record<string, number>> | null;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

const run = promisify(execFile);
const WRK_REPORT = fileURLToPath(new URL('wrk-report.lua', import.meta.url));
const AUTOCANNON = fileURLToPath(new URL('load-autocannon.ts', import.meta.url));

export async function load(generator: Generator, plan: LoadPlan, cpus: string | null): Promise<LoadResult> {
  if (generator === 'h2load') {
    const { command, read, clean } = h2load(plan);
    try {
      return read(await output(command, plan, cpus));
    } finally {
      clean();
    }
  }
  const command =
    generator === 'wrk'
      ? ['wrk', '-t1', `-c${plan.connections}`, `-d${plan.seconds}s`, '-s', WRK_REPORT, ...wrkHeaders(plan), plan.url]
      : [process.execPath, '--import', 'tsx', AUTOCANNON, JSON.stringify(plan)];
  const stdout = await output(command, plan, cpus);
  const line = stdout.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`${generator} reported nothing:\n${stdout}`);
  return JSON.parse(line) as LoadResult;
}

async function output(command: readonly string[], plan: LoadPlan, cpus: string | null): Promise<string> {
  const [program = '', ...args] = cpus === null ? command : ['taskset', '-c', cpus, ...command];
  const { stdout } = await run(program, args, {
    timeout: plan.seconds * 1_000 + 30_000,
    maxBuffer: 16 * 1_048_576,
    env: { ...process.env, ...(plan.cookies && { BENCH_COOKIES: plan.cookies }) },
  });
  return stdout;
}

function wrkHeaders(plan: LoadPlan): string[] {
  return Object.entries(plan.headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
}
