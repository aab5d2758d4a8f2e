// The budget as a test, in under two minutes: exits with 1 when a ratio is missed, and says by
// how much. Ratios are taken within each round and their median counts, so that a noisy minute hits both sides.
import { request } from '../test/kit/daemon.js';
import { type Cell, makeCells, measure, type Sample } from './measure.js';
import { installed, pinning, type Settings } from './options.js';
import { median } from './percentiles.js';
import { SCENARIOS } from './scenarios.js';
import { progressLine, startBench } from './session.js';

interface Row {
  readonly title: string;
  /** Null: could not be measured here. */
  readonly value: number | null;
  readonly limit: number;
  readonly atLeast?: boolean;
  /** Lowest and highest ratio of the rounds. */
  readonly range?: readonly [number, number];
  readonly unit?: string;
}

const generator = installed('wrk') ? 'wrk' : 'autocannon';
const settings: Settings = {
  generator,
  connections: 64,
  rounds: generator === 'wrk' ? 7 : 5,
  seconds: 1,
  ...pinning(),
};
const progress = progressLine();
const started = performance.now();
const bench = await startBench(settings, { workers: [1], nodeHttp: false, peers: [] }, progress);
const rows: Row[] = [];
const faults: string[] = [];
try {
  const idle = bench.idleBytes;
  const compared = bench.targets.filter(({ name }) => ['akprox-1', 'uws-empty', 'nginx'].includes(name));
  const cells = makeCells(SCENARIOS, compared, bench.outpost.session).filter(
    ({ scenario, target }) => target.name !== 'nginx' || scenario.name === 'signed-in',
  );
  await measure(cells, bench.answers, settings, progress);
  progress('');
  for (const { scenario, target, fault } of cells) {
    if (fault !== null) faults.push(`${scenario.title}, ${target.title}: ${fault}`);
  }
  const ratio = (scenario: string, target: string, of: string, than: string, pick: Pick): Partial<Row> =>
    ratioOf(find(cells, scenario, target), find(cells, of, than), pick);
  const add = (title: string, limit: number, measured: Partial<Row>, more: Partial<Row> = {}): void => {
    rows.push({ title, limit, value: null, ...measured, ...more });
  };

  add('signed in: CPU ÷ empty uWebSockets.js', 1.15, ratio('signed-in', 'akprox-1', 'signed-in', 'uws-empty', cpu));
  add('signed in: CPU ÷ nginx, same headers', 1, ratio('signed-in', 'akprox-1', 'signed-in', 'nginx', cpu));
  // autocannon would be compared with itself.
  const rates = generator === 'wrk' ? ratio('signed-in', 'akprox-1', 'signed-in', 'uws-empty', rate) : {};
  add('signed in: checks/s ÷ empty uWebSockets.js', 0.92, rates, { atLeast: true });
  add('not signed in: CPU ÷ signed in', 1.5, ratio('no-cookie', 'akprox-1', 'signed-in', 'akprox-1', cpu));
  add('forged cookie: CPU ÷ signed in', 2, ratio('forged', 'akprox-1', 'signed-in', 'akprox-1', cpu));
  add('ended session: CPU ÷ signed in', 2, ratio('unknown', 'akprox-1', 'signed-in', 'akprox-1', cpu));
  const closing = generator === 'wrk' ? ratio('reconnect', 'akprox-1', 'reconnect', 'uws-empty', rate) : {};
  add('one connection per check: checks/s ÷ empty uWebSockets.js', 0.95, closing, { atLeast: true });
  add(
    'worker before any load (one login so far), RSS',
    80,
    { value: idle === null ? null : idle / 1_048_576 },
    { unit: ' MiB' },
  );
  add('not signed in: store reads in 200 checks', 0, { value: await storeReads('no-cookie') });
  add('forged cookie: store reads in 200 checks', 0, { value: await storeReads('forged') });
} finally {
  await bench.close();
}

for (const fault of faults) process.stdout.write(`no figures: ${fault}\n`);
const missed = rows.filter((row) => row.value !== null && excess(row) > 0);
for (const row of rows) process.stdout.write(`${show(row)}\n`);
const seconds = ((performance.now() - started) / 1_000).toFixed(0);
process.stdout.write(
  `${missed.length} missed of ${rows.length}; ${generator}, ${settings.rounds} rounds, ${seconds} s\n`,
);
process.stdout.write(
  'not measured here: Redis, 1 000 applications, memory per session, event-loop delay, revocation\n',
);
process.exitCode = missed.length > 0 || faults.length > 0 ? 1 : 0;

type Pick = (sample: Sample) => number | null;
function cpu(sample: Sample): number | null {
  return sample.cpu;
}
function rate(sample: Sample): number {
  return sample.checksPerSecond;
}

function find(cells: readonly Cell[], scenario: string, target: string): Cell | undefined {
  return cells.find((cell) => cell.scenario.name === scenario && cell.target.name === target);
}

function ratioOf(cell: Cell | undefined, base: Cell | undefined, pick: Pick): Partial<Row> {
  const ratios: number[] = [];
  for (const [round, sample] of (cell?.samples ?? []).entries()) {
    const other = base?.samples[round];
    const value = pick(sample);
    const baseValue = other === undefined ? null : pick(other);
    if (value !== null && baseValue !== null && baseValue > 0) ratios.push(value / baseValue);
  }
  if (ratios.length === 0) return {};
  return { value: median(ratios), range: [Math.min(...ratios), Math.max(...ratios)] };
}

/** How far beyond the limit, as a share of it; the store must not be read at all. */
function excess({ value, limit, atLeast }: Row): number {
  if (value === null) return 0;
  if (limit === 0) return value;
  return atLeast ? 1 - value / limit : value / limit - 1;
}

function show(row: Row): string {
  const { title, value, limit, atLeast, range, unit = '' } = row;
  const over = excess(row);
  const mark = value === null ? 'n/a ' : over > 0 ? 'MISS' : 'ok  ';
  const digits = limit === 0 ? 0 : unit === '' ? 2 : 1;
  const by = over > 0 && limit > 0 ? `, missed by ${(over * 100).toFixed(0)} %` : '';
  const rounds = range === undefined ? '' : ` (rounds ${range[0].toFixed(2)} to ${range[1].toFixed(2)})`;
  const measured = value === null ? 'not measured' : value.toFixed(digits) + unit;
  return `${mark} ${title.padEnd(58)} ${measured.padStart(9)}, budget ${atLeast ? '≥' : '≤'} ${limit}${unit}${by}${rounds}`;
}

/** How often the store was asked over 200 checks. */
async function storeReads(name: string): Promise<number | null> {
  const scenario = SCENARIOS.find((other) => other.name === name);
  if (scenario === undefined) return null;
  const { daemon } = bench.outpost.world;
  const reads = (): Promise<number> => daemon.metric('akprox_session_cache_misses_total');
  const before = await reads();
  for (let i = 0; i < 200; i += 1) {
    await request(bench.outpost.url(name), { headers: { ...scenario.headers(bench.outpost.session) } });
  }
  return (await reads()) - before;
}
