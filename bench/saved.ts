// Results that are kept: bench/results/<date>-<commit>.json, .md and .html. docs/cost.md quotes the newest of them.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withMarked } from '../test/kit/marked.js';
import type { Costs } from './capacity.js';
import type { FleetCosts } from './fleet-model.js';
import { costsOf, fleetTables, sizesOf } from './fleet-page.js';
import { markdown, type Result, type ResultCell } from './report.js';
import { htmlReport } from './report-html.js';

export const RESULTS = fileURLToPath(new URL('results/', import.meta.url));

const SIZING = new URL('../deploy/sizing.md', import.meta.url);

/** What can change a figure. */
const MEASURED = ['src', 'bench', 'test/kit', 'package.json', 'package-lock.json', ':!bench/results'];

export interface Revision {
  readonly commit: string;
  /** The tree is not that of the commit. */
  readonly dirty: boolean;
}

export function revision(directory: string = RESULTS): Revision {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: join(directory, '../..'),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return {
      commit: git('rev-parse', '--short=12', 'HEAD'),
      dirty: git('status', '--porcelain', '--', ...MEASURED) !== '',
    };
  } catch {
    return { commit: 'unknown', dirty: true };
  }
}

/** Why this tree's figures are not to be kept; null when they may be. */
export function refusal({ commit, dirty }: Revision, allowDirty: boolean): string | null {
  if (!dirty || allowDirty) return null;
  return `the tree is not that of commit ${commit}: commit first, or say --dirty, and the result says it too`;
}

/** Writes the three files; gives their common path without the ending. A result in which the outpost was wrong is not kept. */
export function save(outcome: Result, directory: string = RESULTS): string {
  const wrong = outcome.cells.find(({ target, fault }) => fault !== null && target.startsWith('akprox'));
  if (wrong !== undefined) throw new Error(`not saved: ${wrong.scenarioTitle}, ${wrong.targetTitle}: ${wrong.fault}`);
  const time = outcome.at.slice(0, 16).replaceAll(':', '');
  const name = `${time}-${outcome.commit}${outcome.dirty ? '-dirty' : ''}`;
  mkdirSync(directory, { recursive: true });
  const path = join(directory, name);
  writeFileSync(`${path}.json`, `${JSON.stringify(outcome, null, 2)}\n`);
  writeFileSync(`${path}.md`, `# akprox bench, ${outcome.at}\n\n${markdown(outcome)}\n`);
  writeFileSync(`${path}.html`, htmlReport(outcome));
  return path;
}

export interface Saved {
  readonly name: string;
  readonly outcome: Result;
}

/** Newest first. */
function savedResults(directory: string): Saved[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => /^\d{4}-.*\.json$/.test(name))
    .sort()
    .reverse()
    .map((file) => ({
      name: file.slice(0, -'.json'.length),
      outcome: JSON.parse(readFileSync(join(directory, file), 'utf8')) as Result,
    }));
}

/** The newest saved result of the budget's scenarios; null before the first. A scale run is not what docs/cost.md quotes. */
export function newest(directory: string = RESULTS): Saved | null {
  return savedResults(directory).find(({ outcome }) => outcome.cells.some(isSignedIn)) ?? null;
}

function isSignedIn({ scenario }: ResultCell): boolean {
  return scenario === 'signed-in';
}

/** The newest saved result of bench/through-traefik.ts; null before the first. */
export function newestThroughTraefik(directory: string = RESULTS): Saved | null {
  return (
    savedResults(directory).find(({ outcome }) => outcome.cells.some(({ scenario }) => scenario === 'traefik')) ?? null
  );
}

/** What the model of a fleet is fed with; null before a result was saved. */
export function fleetCosts(
  directory: string = RESULTS,
): { readonly costs: FleetCosts; readonly commit: string } | null {
  const saved = newestThroughTraefik(directory);
  if (saved === null) return null;
  const { outcome } = saved;
  return { costs: costsOf(outcome, sizesOf(readFileSync(SIZING, 'utf8'))), commit: outcome.commit };
}

/** Without what a whole run of the bench has measured besides. */
function throughTraefik({ rows = [], ...outcome }: Result): Result {
  return {
    ...outcome,
    cells: outcome.cells.filter(({ scenario }) => scenario === 'traefik'),
    rows: rows.filter(({ title }) => title.startsWith('through Traefik')),
  };
}

/** README.md with what the newest result through Traefik says. */
export function withTraefik(page: string, directory: string = RESULTS): string {
  const saved = newestThroughTraefik(directory);
  const text =
    saved === null
      ? 'No result has been saved yet: `node --import tsx bench/through-traefik.ts --save`.'
      : markdown(throughTraefik(saved.outcome));
  return withMarked(page, 'traefik', text);
}

/** docs/capacity.md with the tables of the model. */
export function withFleets(page: string, directory: string = RESULTS): string {
  const measured = fleetCosts(directory);
  const text =
    measured === null
      ? 'No result has been saved yet: `node --import tsx bench/through-traefik.ts --save`.'
      : `${fleetTables(measured.costs)}\n\nMeasured at commit ${measured.commit}.`;
  return withMarked(page, 'fleets', text);
}

/** What the newest saved results say of each cost that `npm run bench` measures; the others have to be given. */
export function measuredCosts(directory: string = RESULTS): Partial<Costs> {
  const micros = (scenario: string): number | undefined => {
    for (const { outcome } of savedResults(directory)) {
      const cell = outcome.cells.find((other) => other.scenario === scenario && other.target === 'akprox-1');
      if (cell?.cpuMicrosPerCheck) return cell.cpuMicrosPerCheck.median;
    }
    return undefined;
  };
  const [cached, uncached] = [micros('signed-in') ?? micros('plain'), micros('uncached')];
  return { ...(cached !== undefined && { cached }), ...(uncached !== undefined && { uncached }) };
}

/** For docs/cost.md: how a signed-in check compares, and what everybody else costs us. */
function isQuoted({ scenario, target }: ResultCell): boolean {
  return scenario === 'signed-in' || scenario === 'reconnect' || target === 'akprox-1';
}

/** The page with its block replaced by what the newest result says. */
export function withBench(page: string, directory: string = RESULTS): string {
  const saved = newest(directory);
  const text =
    saved === null
      ? 'No result has been saved yet.'
      : `${markdown(saved.outcome, isQuoted)}\n\nAll of it: [\`bench/results/${saved.name}.md\`](../bench/results/${saved.name}.md).`;
  return withMarked(page, 'bench', text);
}
