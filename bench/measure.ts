// The engine: every target asked every scenario, in rounds, with the targets taking turns so that a noisy minute hits all of
// them. A cell in which one answer was wrong has no figures, only the reason.
import http, { STATUS_CODES } from 'node:http';
import https from 'node:https';
import { type Answer, request } from '../test/kit/daemon.js';
import { type LoadResult, load } from './load.js';
import type { Settings } from './options.js';
import { acceptedConnections, cpuMicros, residentBytes } from './processes.js';
import { difference, type Recorded, record, type Scenario } from './scenarios.js';
import type { Target } from './targets/target.js';

export interface Sample {
  readonly checksPerSecond: number;
  /** Server CPU µs per check; null for a peer whose processes are not ours to look at. */
  readonly cpu: number | null;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly rss: number | null;
  /** Where the target has a meter (target.ts). */
  readonly proxyCpu?: number | null;
  readonly opened?: number | null;
  /** Of an idle daemon, all its processes. */
  readonly pss?: number | null;
}

/** Milliseconds, of checks that came at a fixed rate. */
export interface Paced {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export interface Cell {
  readonly scenario: Scenario;
  readonly target: Target;
  readonly headers: Readonly<Record<string, string>>;
  readonly samples: Sample[];
  /** What `pace` has measured. */
  readonly paced: Paced[];
  /** Checks per second of those. */
  rate?: number;
  /** Why there are no figures. */
  fault: string | null;
  /** What the last run showed besides. */
  note?: string;
}

const WARM_UP_SECONDS = 1;
const EMPTY: Recorded = { status: 200, headers: [], body: '' };

/** What the outpost answers to each scenario; throws when one of the answers is not the right one. */
export async function recordAnswers(
  outpost: Target & { readonly session: string },
  scenarios: readonly Scenario[],
): Promise<ReadonlyMap<string, Recorded>> {
  const answers = new Map<string, Recorded>();
  for (const scenario of scenarios) {
    const answer = await ask(outpost.url(scenario.name), scenario.headers(outpost.session), outpost.socket);
    const fault = scenario.fault(answer);
    if (fault !== null) throw new Error(`${outpost.title}, ${scenario.title}: ${fault}`);
    answers.set(scenario.name, record(answer));
  }
  return answers;
}

/** `session`: for the targets that have none of their own. */
export function makeCells(scenarios: readonly Scenario[], targets: readonly Target[], session: string): Cell[] {
  return scenarios.flatMap((scenario) =>
    targets
      .filter(({ only }) => only === null || only.includes(scenario.name))
      .map(
        (target): Cell => ({
          scenario,
          target,
          headers: scenario.headers(target.session ?? session),
          samples: [],
          paced: [],
          fault: null,
        }),
      ),
  );
}

export async function measure(
  cells: readonly Cell[],
  answers: ReadonlyMap<string, Recorded>,
  settings: Settings,
  progress: (text: string) => void,
  warmUp = WARM_UP_SECONDS,
): Promise<void> {
  for (const cell of cells) {
    progress(`warming up: ${cell.scenario.title}, ${cell.target.title}`);
    await once(cell, answers, settings, warmUp);
  }
  for (let round = 1; round <= settings.rounds; round += 1) {
    // Every other round runs backwards: nobody is always first.
    for (const [index, cell] of (round % 2 === 1 ? cells : cells.toReversed()).entries()) {
      progress(
        `round ${round}/${settings.rounds}, cell ${index + 1}/${cells.length}: ${cell.scenario.title}, ${cell.target.title}`,
      );
      const sample = await once(cell, answers, settings, settings.seconds);
      if (sample !== null) cell.samples.push(sample);
    }
  }
  for (const cell of cells) if (cell.fault !== null) cell.samples.length = 0;
}

/** So many checks a second by autocannon, in rounds as above: how long an answer takes while nobody is at the limit. */
export async function pace(
  cells: readonly Cell[],
  settings: Settings,
  rate: number,
  progress: (text: string) => void,
): Promise<void> {
  for (let round = 1; round <= settings.rounds; round += 1) {
    for (const cell of round % 2 === 1 ? cells : cells.toReversed()) {
      if (cell.fault !== null) continue;
      const { scenario, target, headers } = cell;
      progress(`${rate} checks/s, round ${round}/${settings.rounds}: ${scenario.title}, ${target.title}`);
      const url = target.url(scenario.name);
      const plan = { url, headers, connections: settings.connections, seconds: Math.max(2, settings.seconds), rate };
      const result = await load('autocannon', plan, settings.loadCpus);
      if (result.errors > 0 || result.failures > 0 || result.checks === 0) continue;
      cell.rate = rate;
      cell.paced.push({ p50: result.p50, p99: result.p99, p999: result.p999 });
    }
  }
}

/** One run with a probe before and behind it. Null, and the cell's fault set, when anything was not as it must be. */
async function once(
  cell: Cell,
  answers: ReadonlyMap<string, Recorded>,
  settings: Settings,
  seconds: number,
): Promise<Sample | null> {
  if (cell.fault !== null) return null;
  const { scenario, target, headers } = cell;
  const plan = {
    url: target.url(scenario.name),
    headers,
    connections: scenario.connections ?? settings.connections,
    seconds,
    cookies: scenario.cookies?.() ?? null,
    ...(target.socket !== undefined && { socket: target.socket }),
  };
  try {
    const wire = await probe(cell, answers);
    const watched = await target.watch?.();
    const metered = await target.meter?.(plan.connections);
    const accepted = acceptedConnections();
    const before = cpuMicros(target.pids);
    const result = await load(settings.generator, plan, settings.loadCpus);
    const after = cpuMicros(target.pids);
    const meters = await metered?.(result.checks);
    if (watched !== undefined) cell.note = await watched();
    await probe(cell, answers);
    const status = target.answers === 'empty' ? 200 : (answers.get(scenario.name)?.status ?? 0);
    cell.fault = faultOf(result, scenario, status, wire);
    cell.fault ??= scenario.reconnect ? keptAlive(result.checks, accepted, acceptedConnections()) : null;
    if (cell.fault !== null) return null;
    return {
      checksPerSecond: result.checks / result.seconds,
      cpu: before === null || after === null ? null : (after - before) / result.checks,
      p50: result.p50,
      p99: result.p99,
      p999: result.p999,
      rss: residentBytes(target.pids),
      ...meters,
    };
  } catch (error) {
    cell.fault = error instanceof Error ? error.message : String(error);
    return null;
  }
}

/** Some servers answer a second request on a connection that was to be closed, and some generators send one. */
function keptAlive(checks: number, before: number | null, after: number | null): string | null {
  if (before === null || after === null) return null;
  const share = (after - before) / checks;
  return share < 0.95 ? `only ${share.toFixed(2)} connections per check` : null;
}

/** Asks once and gives the size of the answer on the wire; throws when it is not the right one. */
async function probe({ scenario, target, headers }: Cell, answers: ReadonlyMap<string, Recorded>): Promise<number> {
  const answer = await ask(target.url(scenario.name), headers, target.socket);
  const wanted = target.answers === 'empty' ? EMPTY : answers.get(scenario.name);
  const fault =
    target.answers === 'outpost'
      ? scenario.fault(answer)
      : wanted === undefined
        ? 'nothing to compare with'
        : difference(record(answer), wanted);
  if (fault !== null) throw new Error(`the probe was answered with ${fault}`);
  const lines = answer.rawHeaders.reduce((sum, text) => sum + Buffer.byteLength(text, 'latin1') + 2, 0);
  return (
    `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status]}\r\n\r\n`.length + lines + Buffer.byteLength(answer.body)
  );
}

/**
 * Counts what the generator saw against what was expected. wrk only counts statuses of 400 and above, so the mean size of an
 * answer must be that of the probe's too: a 200 among the redirects would show.
 */
function faultOf(result: LoadResult, scenario: Scenario, status: number, wire: number): string | null {
  if (result.checks === 0) return 'no answer at all';
  if (result.errors > 0) return `${result.errors} refused connections or timeouts`;
  if (result.hangUps > 0 && !scenario.reconnect) return `${result.hangUps} broken connections`;
  const failures = status >= 400 ? result.checks : 0;
  if (result.failures !== failures) return `${result.failures} answers of 400 and above, ${failures} expected`;
  for (const [seen, count] of Object.entries(result.statuses ?? {})) {
    if (Number(seen) !== status) return `${count} answers with status ${seen}, ${status} expected`;
  }
  const mean = result.bytes / result.checks;
  return Math.abs(mean - wire) > 0.02 * wire + 26
    ? `answers of ${mean.toFixed(0)} bytes on average, the probe had ${wire}`
    : null;
}

function ask(url: string, headers: Readonly<Record<string, string>>, socket?: string): Promise<Answer> {
  if (socket === undefined && url.startsWith('http:')) return request(url, { headers: { ...headers } });
  // Any certificate will do: it is self-signed, and of this machine.
  const options = {
    headers: { ...headers },
    rejectUnauthorized: false,
    agent: false as const,
    ...(socket !== undefined && { socketPath: socket }),
  };
  return new Promise((resolve, reject) => {
    const req = (socket === undefined ? https : http).get(url, options, (res) => {
      let body = '';
      res.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      res.on('end', () =>
        resolve({ status: res.statusCode ?? 0, headers: res.headers, rawHeaders: res.rawHeaders, body }),
      );
    });
    req.on('error', reject);
  });
}
