// npm run bench: the scenarios of the budget table on every target, as a table, JSON and an HTML report.
// It prints no figure that was not measured, and none for a scenario in which an answer was wrong.
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { readCapacity, showCapacity } from './capacity.js';
import { type Cell, makeCells, measure } from './measure.js';
import { readOptions } from './options.js';
import { result, table } from './report.js';
import { htmlReport } from './report-html.js';
import { measuredCosts, RESULTS, refusal, revision, save } from './saved.js';
import { measureScale } from './scale.js';
import { SCENARIOS } from './scenarios.js';
import { progressLine, startBench } from './session.js';

if (process.argv[2] === '--capacity') {
  const { demand, costs } = orExit(() => readCapacity(process.argv.slice(3), measuredCosts()));
  process.stdout.write(`${showCapacity(demand, costs)}\n`);
  process.exit();
}
const options = orExit(() => readOptions(process.argv.slice(2)));
const measured = revision();
const refused = options.save ? refusal(measured, options.dirty) : null;
if (refused !== null) {
  process.stderr.write(`${refused}\n`);
  process.exit(2);
}
const progress = progressLine();
const cells = options.scale ? await measureScale(options, progress) : await measureBudget();
progress('');
const outcome = result(cells, options, measured);
process.stdout.write(`${table(outcome)}\n`);
mkdirSync(RESULTS, { recursive: true });
writeFileSync(`${RESULTS}latest.json`, `${JSON.stringify(outcome, null, 2)}\n`);
writeFileSync(`${RESULTS}latest.html`, htmlReport(outcome));
process.stdout.write('\nbench/results/latest.json, bench/results/latest.html\n');
if (options.save) process.stdout.write(`saved: ${relative(process.cwd(), save(outcome))}.json, .md, .html\n`);
if (outcome.cells.some(({ fault }) => fault !== null)) process.exitCode = 1;

/** What is wrong with the command line needs no stack. */
function orExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(2);
  }
}

/** The scenarios of the budget table on every target. */
async function measureBudget(): Promise<Cell[]> {
  const bench = await startBench(options, { workers: [1, 2], nodeHttp: true, peers: options.peers }, progress);
  try {
    const chosen = SCENARIOS.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
    const cells = makeCells(chosen, bench.targets, bench.outpost.session);
    await measure(cells, bench.answers, options, progress);
    return cells;
  } finally {
    await bench.close();
  }
}
