// node --import tsx bench/budget.ts [--rounds 7] [--seconds 1] [--quick] [--only GROUP]... [--markdown]: every row of the budget that this
// machine can show, with its verdict (verdict.ts). Exits with 1 when one is missed. Ratios are taken within each round.
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { type BudgetSettings, GROUPS } from './budget-groups.js';
import { installed, pinning } from './options.js';
import { revision } from './saved.js';
import { progressLine } from './session.js';
import { buildIfStale } from './targets/akprox.js';
import { exitCodeOf, judge, type Row, rowsAsMarkdown, showRow } from './verdict.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
  },
});
const names = GROUPS.map(({ name }) => name);
const unknown = values.only.find((name) => !names.includes(name));
if (unknown !== undefined) throw new Error(`--only: ${names.join(', ')}, not ${unknown}`);
const settings: BudgetSettings = {
  generator: installed('wrk') ? 'wrk' : 'autocannon',
  connections: 64,
  rounds: Number(values.rounds ?? (values.quick ? 3 : 7)),
  seconds: Number(values.seconds),
  quick: values.quick,
  ...pinning(),
};
if (!(settings.rounds > 0) || !(settings.seconds > 0)) throw new Error('--rounds and --seconds are numbers above 0');

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const progress = progressLine();
const started = performance.now();
buildIfStale();
const { commit, dirty } = revision();
const all: Row[] = [];
for (const { name, title, missing, measure } of GROUPS) {
  if (values.only.length > 0 && !values.only.includes(name)) continue;
  const absent = missing();
  if (!values.markdown) print(`\n${name}: ${title}${absent === null ? '' : `: not measured, ${absent}`}`);
  if (absent !== null) continue;
  const rows = await measure(settings, progress);
  progress('');
  if (!values.markdown) for (const row of rows) print(showRow(row));
  all.push(...rows);
}
if (values.markdown) print(rowsAsMarkdown(all));
const count = (verdict: string): number => all.filter((row) => judge(row).verdict === verdict).length;
print(
  `\n${all.length} rows: ${['met', 'within', 'missed', 'not measured'].map((verdict) => `${count(verdict)} ${verdict}`).join(', ')}`,
);
print(
  `commit ${commit}${dirty ? ' with changes' : ''}, Node ${process.version}, ${settings.generator}, ${settings.rounds} rounds of ${settings.seconds} s, ${((performance.now() - started) / 1_000).toFixed(0)} s, load average ${loadavg()[0]?.toFixed(1)}`,
);
process.exitCode = exitCodeOf(all);
