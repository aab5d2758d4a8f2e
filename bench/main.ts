// npm run bench: the scenarios of the budget table on every target, as a table, JSON and an HTML report.
// It prints no figure that was not measured, and none for a scenario in which an answer was wrong.
import { mkdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { readCapacity, showCapacity } from './capacity.js';
import { type Cell, makeCells, measure, pace } from './measure.js';
import { idleCell, measureMemory } from './memory-rows.js';
import { readOptions } from './options.js';
import { result, table } from './report.js';
import { htmlReport } from './report-html.js';
import { measuredCosts, RESULTS, refusal, revision, save } from './saved.js';
import { measureScale } from './scale.js';
import { SCENARIOS } from './scenarios.js';
import { progressLine, startBench } from './session.js';
import { measureTraefik, traefikRows } from './traefik-cells.js';
import { traefikMissing } from './traefik-scene.js';
import { measureUnix, unixMissing, unixRows } from './unix-cells.js';
import type { Row } from './verdict.js';

/** Checks per second of the rounds by autocannon: far below what any of them can, and below what autocannon can. */
const RATE = 5_000;
const TRAEFIK_RATE = 1_000;

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
const rows: Row[] = [];
const cells = options.scale ? await measureScale(options, progress) : await measureAll();
progress('');
const outcome = result(cells, options, measured, rows);
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

/** Those, and beside them what has a bench of its own: a unix socket, a real Traefik, an idle daemon's memory. */
async function measureAll(): Promise<Cell[]> {
  const chosen = (name: string): boolean => options.only.length === 0 || options.only.includes(name);
  const all = SCENARIOS.some(({ name }) => chosen(name)) ? await measureBudget() : [];
  if (chosen('unix') && isThere('unix sockets', unixMissing())) {
    const found = await measureUnix(options, progress);
    all.push(...found);
    rows.push(...unixRows(found));
  }
  if (chosen('traefik') && isThere('through Traefik', traefikMissing())) {
    const found = await measureTraefik({ ...options, rate: TRAEFIK_RATE }, progress);
    all.push(...found);
    rows.push(...traefikRows(found));
  }
  if (chosen('memory')) {
    rows.push(...(await measureMemory(progress, (idle) => all.push(idleCell(idle)))));
  }
  return all;
}

function isThere(what: string, missing: string | null): boolean {
  if (missing !== null) process.stdout.write(`left out, ${missing}: ${what}\n`);
  return missing === null;
}

/** The scenarios of the budget table on every target. */
async function measureBudget(): Promise<Cell[]> {
  const bench = await startBench(options, { workers: [1, 2], nodeHttp: true, peers: options.peers }, progress);
  try {
    const chosen = SCENARIOS.filter(({ name }) => options.only.length === 0 || options.only.includes(name));
    const cells = makeCells(chosen, bench.targets, bench.outpost.session);
    await measure(cells, bench.answers, options, progress);
    const paced = cells.filter(({ scenario }) => scenario.name === 'signed-in');
    await pace(paced, options, RATE, progress);
    return cells;
  } finally {
    await bench.close();
  }
}
