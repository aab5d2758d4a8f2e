// The command line that benches with cells and rows have in common: measure, show, keep (--save), and exit with 1 when a budget is missed.
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import type { Cell } from './measure.js';
import { type Generator, pinning, type Settings } from './options.js';
import { markdown, result, table } from './report.js';
import { refusal, revision, save } from './saved.js';
import { progressLine } from './session.js';
import { buildIfStale } from './targets/akprox.js';
import { exitCodeOf, type Row } from './verdict.js';

export interface BenchCommand {
  readonly generator: Generator;
  /** Of each round, unless told otherwise. */
  readonly seconds: number;
  /** Checks per second of the rounds at a fixed rate, unless told otherwise. */
  readonly rate?: number;
  /** Why it cannot be measured here; null when it can. */
  readonly missing: string | null;
  measure(settings: Settings, progress: (text: string) => void): Promise<Cell[]>;
  rows(cells: readonly Cell[]): Row[];
}

export async function runBench(command: BenchCommand): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      rate: { type: 'string' },
      connections: { type: 'string', default: '64' },
      quick: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      save: { type: 'boolean', default: false },
      dirty: { type: 'boolean', default: false },
    },
  });
  if (command.missing !== null) throw new Error(command.missing);
  const number = (name: string, text: string | undefined, otherwise: number): number => {
    const value = Number(text ?? otherwise);
    if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} is a whole number above 0`);
    return value;
  };
  const settings: Settings = {
    generator: command.generator,
    connections: number('connections', values.connections, 64),
    rounds: number('rounds', values.rounds, values.quick ? 3 : 7),
    seconds: number('seconds', values.seconds, values.quick ? 1 : command.seconds),
    ...(command.rate !== undefined && { rate: number('rate', values.rate, command.rate) }),
    ...pinning(),
  };
  const measured = revision();
  const refused = values.save ? refusal(measured, values.dirty) : null;
  if (refused !== null) throw new Error(refused);
  const progress = progressLine();
  progress('building');
  buildIfStale();
  const cells = await command.measure(settings, progress);
  progress('');
  const rows = command.rows(cells);
  const outcome = result(cells, settings, measured, rows);
  process.stdout.write(`${values.markdown ? markdown(outcome) : table(outcome)}\n`);
  if (values.save) process.stdout.write(`\nsaved: ${relative(process.cwd(), save(outcome))}.json, .md, .html\n`);
  process.exitCode = cells.some(({ fault }) => fault !== null) ? 1 : exitCodeOf(rows);
}
