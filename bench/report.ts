// From samples to what is shown: the result object (which is the JSON) and the table for a terminal.
import { cpus, loadavg, release } from 'node:os';
import { type Cell, middleOf, type Sample, spreadOf } from './measure.js';
import type { Settings } from './options.js';
import type { Revision } from './saved.js';

export interface Figure {
  readonly median: number;
  /** Half the range over the rounds, as a share of the median; null after one round. */
  readonly spread: number | null;
}

export interface ResultCell {
  readonly scenario: string;
  readonly scenarioTitle: string;
  readonly target: string;
  readonly targetTitle: string;
  /** Why there are no figures. */
  readonly fault: string | null;
  /** What the last run showed besides, such as a hit ratio. */
  readonly note: string | null;
  readonly checksPerSecond: Figure | null;
  readonly cpuMicrosPerCheck: Figure | null;
  readonly p50Ms: Figure | null;
  readonly p99Ms: Figure | null;
  readonly p999Ms: Figure | null;
  readonly rssBytes: Figure | null;
}

export interface Result {
  readonly at: string;
  readonly commit: string;
  /** The tree was not that of the commit. */
  readonly dirty: boolean;
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  /** One-minute load average at the end: much more than 2 means that others were working too. */
  readonly loadAverage: number;
  readonly settings: Settings;
  readonly cells: readonly ResultCell[];
}

export function result(cells: readonly Cell[], settings: Settings, revision: Revision): Result {
  const { generator, connections, rounds, seconds, serverCpus, loadCpus } = settings;
  return {
    at: new Date().toISOString(),
    ...revision,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    loadAverage: loadavg()[0] ?? 0,
    settings: { generator, connections, rounds, seconds, serverCpus, loadCpus },
    cells: cells.map((cell) => ({
      scenario: cell.scenario.name,
      scenarioTitle: cell.scenario.title,
      target: cell.target.name,
      targetTitle: cell.target.title,
      fault: cell.fault,
      note: cell.note || null,
      checksPerSecond: figure(cell, (sample) => sample.checksPerSecond),
      cpuMicrosPerCheck: figure(cell, (sample) => sample.cpu),
      p50Ms: figure(cell, (sample) => sample.p50),
      p99Ms: figure(cell, (sample) => sample.p99),
      p999Ms: figure(cell, (sample) => sample.p999),
      rssBytes: figure(cell, (sample) => sample.rss),
    })),
  };
}

function figure(cell: Cell, pick: (sample: Sample) => number | null): Figure | null {
  const median = middleOf(cell, pick);
  return median === null ? null : { median, spread: spreadOf(cell, pick) };
}

const COLUMNS: readonly (readonly [string, (cell: ResultCell) => string])[] = [
  ['checks/s', (cell) => withSpread(cell.checksPerSecond, 0)],
  ['CPU µs/check', (cell) => withSpread(cell.cpuMicrosPerCheck, 2)],
  ['p50 ms', (cell) => plain(cell.p50Ms)],
  ['p99 ms', (cell) => plain(cell.p99Ms)],
  ['p99.9 ms', (cell) => plain(cell.p999Ms)],
  ['RSS MiB', (cell) => (cell.rssBytes === null ? '–' : (cell.rssBytes.median / 1_048_576).toFixed(0))],
];

export function table(outcome: Result): string {
  const lines: string[] = [];
  for (const name of new Set(outcome.cells.map(({ scenario }) => scenario))) {
    const cells = outcome.cells.filter(({ scenario }) => scenario === name);
    lines.push('', cells[0]?.scenarioTitle ?? name);
    lines.push(row('', ...COLUMNS.map(([title]) => title)));
    for (const cell of cells) {
      lines.push(
        cell.fault === null
          ? row(cell.targetTitle, ...COLUMNS.map(([, show]) => show(cell)))
          : `  ${cell.targetTitle.padEnd(28)}no figures: ${cell.fault}`,
      );
      if (cell.note !== null) lines.push(`    ${cell.note}`);
    }
  }
  return [...lines, '', conditions(outcome)].join('\n');
}

/** What the figures hold for. */
export function conditions(outcome: Result): string {
  const { settings } = outcome;
  const pinned =
    settings.serverCpus === null
      ? 'not pinned'
      : `servers on core ${settings.serverCpus}, load on ${settings.loadCpus}`;
  return [
    `commit ${outcome.commit}${outcome.dirty ? ' with changes' : ''}, Node ${outcome.node}, ${outcome.cpu}, ${outcome.cores} cores (${pinned}), load average ${outcome.loadAverage.toFixed(1)}`,
    `${settings.generator}, ${settings.connections} connections, medians of ${settings.rounds} interleaved rounds of ${settings.seconds} s; ± is half the range; CPU and RSS are of the serving processes together`,
    ...(settings.generator === 'autocannon'
      ? ['autocannon is at its own limit before a server is: read the CPU column, not checks/s']
      : []),
  ].join('\n');
}

/** The table for docs/cost.md and for the saved result. */
export function markdown(outcome: Result, isShown: (cell: ResultCell) => boolean = () => true): string {
  const cells = outcome.cells.filter(isShown).map((cell) => {
    const shown =
      cell.fault === null ? COLUMNS.map(([, show]) => show(cell)) : [`no figures: ${cell.fault}`, ...Array(5).fill('')];
    const title = cell.note === null ? cell.scenarioTitle : `${cell.scenarioTitle} (${cell.note})`;
    return `| ${[title, cell.targetTitle, ...shown].join(' | ').replaceAll('\n', ' ')} |`;
  });
  return [
    `| scenario | target | ${COLUMNS.map(([title]) => title).join(' | ')} |`,
    `|---|---|${'---:|'.repeat(COLUMNS.length)}`,
    ...cells,
    '',
    ...conditions(outcome)
      .split('\n')
      .flatMap((line) => [line, '']),
  ]
    .join('\n')
    .trimEnd();
}

function row(first: string, ...rest: string[]): string {
  return `  ${first.padEnd(28)}${rest.map((text) => text.padStart(17)).join('')}`;
}

function withSpread(value: Figure | null, digits: number): string {
  if (value === null) return '–';
  const spread = value.spread === null ? '' : ` ±${(value.spread * 100).toFixed(0)} %`;
  return `${value.median.toFixed(digits)}${spread}`;
}

function plain(value: Figure | null): string {
  return value === null ? '–' : value.median.toFixed(2);
}
