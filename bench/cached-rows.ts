// The rows of the budget for one worker beside an empty handler and nginx: signed in, not signed in, forged, ended, one connection each.
import { request } from '../test/kit/daemon.js';
import { type Cell, makeCells, measure, type Sample } from './measure.js';
import type { Settings } from './options.js';
import { SCENARIOS } from './scenarios.js';
import { type Bench, startBench } from './session.js';
import { type Row, ratios } from './verdict.js';

const ASKED = 200;

export async function measureCached(settings: Settings, progress: (text: string) => void): Promise<Row[]> {
  const bench = await startBench(settings, { workers: [1], nodeHttp: false, peers: [] }, progress);
  try {
    const compared = bench.targets.filter(({ name }) => ['akprox-1', 'uws-empty', 'nginx'].includes(name));
    const cells = makeCells(SCENARIOS, compared, bench.outpost.session).filter(
      ({ scenario, target }) => target.name !== 'nginx' || scenario.name === 'signed-in',
    );
    await measure(cells, bench.answers, settings, progress);
    return cachedRows(cells, settings, {
      'no-cookie': await storeReads(bench, 'no-cookie'),
      forged: await storeReads(bench, 'forged'),
    });
  } finally {
    await bench.close();
  }
}

export function cachedRows(
  cells: readonly Cell[],
  { generator }: Pick<Settings, 'generator'>,
  reads: Readonly<Record<'no-cookie' | 'forged', number>>,
): Row[] {
  const find = (scenario: string, target: string): Cell | undefined =>
    cells.find((cell) => cell.scenario.name === scenario && cell.target.name === target);
  const row = (
    title: string,
    limit: number,
    [scenario, target]: readonly [string, string],
    [otherScenario, otherTarget]: readonly [string, string],
    pick: (sample: Sample) => number | null,
    more: Partial<Row> = {},
  ): Row => {
    const [cell, other] = [find(scenario, target), find(otherScenario, otherTarget)];
    const rounds = ratios(cell?.samples.map(pick) ?? [], other?.samples.map(pick) ?? []);
    const faults = [cell, other].flatMap((one) => (one?.fault ? [`${one.target.title}: ${one.fault}`] : []));
    const missing = other === undefined ? `${otherTarget} is not installed` : faults.join('; ') || 'no /proc';
    return { title, limit, rounds, missing, ...more };
  };
  const cpu = (sample: Sample): number | null => sample.cpu;
  const rate = (sample: Sample): number => sample.checksPerSecond;
  // autocannon would be compared with itself.
  const rateOnly = generator === 'wrk' ? {} : { rounds: [], missing: 'wrk is not installed' };
  const ours = (scenario: string) => [scenario, 'akprox-1'] as const;
  const empty = (scenario: string) => [scenario, 'uws-empty'] as const;
  return [
    row('signed in: CPU ÷ empty uWebSockets.js', 1.15, ours('signed-in'), empty('signed-in'), cpu),
    row('signed in: CPU ÷ nginx return 200, same headers', 1, ours('signed-in'), ['signed-in', 'nginx'], cpu),
    row('signed in: checks/s ÷ empty uWebSockets.js', 0.92, ours('signed-in'), empty('signed-in'), rate, {
      atLeast: true,
      ...rateOnly,
    }),
    row('forged cookie: CPU ÷ signed in', 2, ours('forged'), ours('signed-in'), cpu),
    row('cookie of an ended session: CPU ÷ signed in', 2, ours('unknown'), ours('signed-in'), cpu),
    { title: `forged cookie: store reads in ${ASKED} checks`, limit: 0, rounds: [reads.forged], digits: 0 },
    row('not signed in: CPU ÷ signed in', 1.5, ours('no-cookie'), ours('signed-in'), cpu),
    { title: `not signed in: store reads in ${ASKED} checks`, limit: 0, rounds: [reads['no-cookie']], digits: 0 },
    row(
      'one connection per check: checks/s ÷ empty uWebSockets.js',
      0.95,
      ours('reconnect'),
      empty('reconnect'),
      rate,
      {
        atLeast: true,
        ...rateOnly,
      },
    ),
  ];
}

/** How often the store was asked. */
async function storeReads({ outpost }: Bench, name: string): Promise<number> {
  const scenario = SCENARIOS.find((other) => other.name === name);
  if (scenario === undefined) throw new Error(`no scenario ${name}`);
  const reads = (): Promise<number> => outpost.world.daemon.metric('akprox_session_cache_misses_total');
  const before = await reads();
  for (let i = 0; i < ASKED; i += 1) {
    await request(outpost.url(name), { headers: { ...scenario.headers(outpost.session) } });
  }
  return (await reads()) - before;
}
