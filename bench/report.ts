// From samples to what is shown: the result object (which is the JSON) and the table for a terminal.
import { cpus, loadavg, release } from 'node:os';
import type { Cell, Paced, Sample } from './measure.js';
import type { Settings } from './options.js';
import { median } from './percentiles.js';
import type { Revision } from './saved.js';
import { type Row, rowsAsMarkdown, showRow } from './verdict.js';

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
  /** Those below are not in results that were saved before they were measured. */
  readonly proxyMicrosPerCheck?: Figure | null;
  readonly openedPerCheck?: Figure | null;
  readonly pssBytes?: Figure | null;
  /** At a fixed rate. */
  readonly pacedRate?: number | null;
  readonly pacedP50Ms?: Figure | null;
  readonly pacedP99Ms?: Figure | null;
  readonly pacedP999Ms?: Figure | null;
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
  /** What the budget says of them. */
  readonly rows?: readonly Row[];
}

export function result(
  cells: readonly Cell[],
  settings: Settings,
  revision: Revision,
  rows: readonly Row[] = [],
): Result {
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
      proxyMicrosPerCheck: figure(cell, (sample) => sample.proxyCpu),
      openedPerCheck: figure(cell, (sample) => sample.opened),
      pssBytes: figure(cell, (sample) => sample.pss),
      pacedRate: cell.rate ?? null,
      pacedP50Ms: pacedFigure(cell, ({ p50 }) => p50),
      pacedP99Ms: pacedFigure(cell, ({ p99 }) => p99),
      pacedP999Ms: pacedFigure(cell, ({ p999 }) => p999),
    })),
    ...(rows.length > 0 && { rows }),
  };
}

function figure({ samples }: Cell, pick: (sample: Sample) => number | null | undefined): Figure | null {
  return figureOf(samples.map(pick));
}

function pacedFigure({ paced }: Cell, pick: (paced: Paced) => number): Figure | null {
  return figureOf(paced.map(pick));
}

/** The median of the rounds; null when there is none. */
function figureOf(rounds: readonly (number | null | undefined)[]): Figure | null {
  const values = rounds.filter((value) => value !== null && value !== undefined).filter(Number.isFinite);
  if (values.length === 0) return null;
  const middle = median(values);
  const spread = values.length < 2 || middle === 0 ? null : (Math.max(...values) - Math.min(...values)) / 2 / middle;
  return { median: middle, spread };
}

interface Column {
  readonly title: string;
  /** Undefined in an old result. */
  readonly figure: (cell: ResultCell) => Figure | null | undefined;
  readonly show: (figure: Figure) => string;
}

const COLUMNS: readonly Column[] = [
  { title: 'checks/s', figure: (cell) => cell.checksPerSecond, show: (figure) => withSpread(figure, 0) },
  { title: 'CPU µs/check', figure: (cell) => cell.cpuMicrosPerCheck, show: (figure) => withSpread(figure, 2) },
  { title: 'proxy µs/check', figure: (cell) => cell.proxyMicrosPerCheck, show: (figure) => withSpread(figure, 0) },
  { title: 'opened/check', figure: (cell) => cell.openedPerCheck, show: ({ median }) => median.toFixed(3) },
  { title: 'p50 ms', figure: (cell) => cell.p50Ms, show: ({ median }) => median.toFixed(2) },
  { title: 'p99 ms', figure: (cell) => cell.p99Ms, show: ({ median }) => median.toFixed(2) },
  { title: 'p99.9 ms', figure: (cell) => cell.p999Ms, show: ({ median }) => median.toFixed(2) },
  { title: 'p50 ms at rate', figure: (cell) => cell.pacedP50Ms, show: ({ median }) => median.toFixed(2) },
  { title: 'p99 ms at rate', figure: (cell) => cell.pacedP99Ms, show: ({ median }) => median.toFixed(2) },
  { title: 'PSS MiB', figure: (cell) => cell.pssBytes, show: ({ median }) => (median / 1_048_576).toFixed(1) },
  { title: 'RSS MiB', figure: (cell) => cell.rssBytes, show: ({ median }) => (median / 1_048_576).toFixed(0) },
];

/** Those that have something to say in one of the cells. */
function columnsOf(cells: readonly ResultCell[]): readonly Column[] {
  return COLUMNS.filter(({ figure }) => cells.some((cell) => figure(cell)));
}

function shown({ figure, show }: Column, cell: ResultCell): string {
  const value = figure(cell);
  return value ? show(value) : '–';
}

export function table(outcome: Result): string {
  const lines: string[] = [];
  for (const name of new Set(outcome.cells.map(({ scenario }) => scenario))) {
    const cells = outcome.cells.filter(({ scenario }) => scenario === name);
    const columns = columnsOf(cells);
    lines.push('', cells[0]?.scenarioTitle ?? name);
    lines.push(row('', ...columns.map(({ title }) => title)));
    for (const cell of cells) {
      lines.push(
        cell.fault === null
          ? row(cell.targetTitle, ...columns.map((column) => shown(column, cell)))
          : `  ${cell.targetTitle.padEnd(TARGET)}no figures: ${cell.fault}`,
      );
      if (cell.note !== null) lines.push(`    ${cell.note}`);
    }
  }
  const rows = outcome.rows?.map(showRow) ?? [];
  return [...lines, '', ...rows, ...(rows.length > 0 ? [''] : []), conditions(outcome)].join('\n');
}

/** What the figures hold for. */
export function conditions(outcome: Result): string {
  const { settings } = outcome;
  const rates = [
    ...new Set(
      outcome.cells.flatMap(({ scenarioTitle, pacedRate }) =>
        pacedRate ? [`${pacedRate} checks/s (${scenarioTitle})`] : [],
      ),
    ),
  ];
  const pinned =
    settings.serverCpus === null
      ? 'not pinned'
      : `servers on core ${settings.serverCpus}, load on ${settings.loadCpus}`;
  return [
    `commit ${outcome.commit}${outcome.dirty ? ' with changes' : ''}, Node ${outcome.node}, ${outcome.cpu}, ${outcome.cores} cores (${pinned}), load average ${outcome.loadAverage.toFixed(1)}`,
    `${settings.generator}, ${settings.connections} connections, medians of ${settings.rounds} interleaved rounds of ${settings.seconds} s; ± is half the range; CPU and RSS are of the serving processes together`,
    ...(rates.length === 0
      ? []
      : [`at rate: autocannon, ${rates.join('; ')}; in rounds of their own behind the others`]),
    ...(settings.generator === 'autocannon'
      ? ['autocannon is at its own limit before a server is: read the CPU column, not checks/s']
      : []),
  ].join('\n');
}

/** The table for docs/cost.md and for the saved result. */
export function markdown(outcome: Result, isShown: (cell: ResultCell) => boolean = () => true): string {
  const cells = outcome.cells.filter(isShown);
  const columns = columnsOf(cells);
  // One scenario needs no column.
  const isOne = new Set(cells.map(({ scenario }) => scenario)).size === 1;
  const rows = cells.map((cell) => {
    const figures =
      cell.fault === null
        ? columns.map((column) => shown(column, cell))
        : [`no figures: ${cell.fault}`, ...Array(columns.length - 1).fill('')];
    const title = cell.note === null ? cell.scenarioTitle : `${cell.scenarioTitle} (${cell.note})`;
    return `| ${[...(isOne ? [] : [title]), cell.targetTitle, ...figures].join(' | ').replaceAll('\n', ' ')} |`;
  });
  return [
    `| ${isOne ? cells[0]?.scenarioTitle : 'scenario | target'} | ${columns.map(({ title }) => title).join(' | ')} |`,
    `|---|${isOne ? '' : '---|'}${'---:|'.repeat(columns.length)}`,
    ...rows,
    '',
    ...(outcome.rows === undefined ? [] : [rowsAsMarkdown(outcome.rows), '']),
    ...conditions(outcome)
      .split('\n')
      .flatMap((line) => [line, '']),
  ]
    .join('\n')
    .trimEnd();
}

/** Room for the name of a target. */
const TARGET = 34;

function row(first: string, ...rest: string[]): string {
  return `  ${first.padEnd(TARGET)}${rest.map((text) => text.padStart(17)).join('')}`;
}

function withSpread({ median, spread }: Figure, digits: number): string {
  return `${median.toFixed(digits)}${spread === null ? '' : ` ±${(spread * 100).toFixed(0)} %`}`;
}
