// node --import tsx bench/through-traefik.ts [--rounds 7] [--seconds 3] [--rate 1000] [--quick] [--markdown]: what a check costs a real
// Traefik (TRAEFIK_BIN), by whom it asks and how. Traefik has one core, and everything else the others. Exits with 1 when a budget is missed.
import { parseArgs } from 'node:util';
import { installed, pinning, type Settings } from './options.js';
import { markdown, result, table } from './report.js';
import { revision } from './saved.js';
import { progressLine } from './session.js';
import { buildIfStale } from './targets/akprox.js';
import { measureTraefik, traefikRows } from './traefik-cells.js';
import { traefikMissing } from './traefik-scene.js';
import { exitCodeOf, rowsAsMarkdown, showRow } from './verdict.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    rate: { type: 'string', default: '1000' },
    connections: { type: 'string', default: '64' },
    quick: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
  },
});
const missing = traefikMissing() ?? (installed('wrk') ? null : 'wrk is not installed');
if (missing !== null) throw new Error(missing);
const settings: Settings = {
  generator: 'wrk',
  connections: Number(values.connections),
  rounds: Number(values.rounds ?? (values.quick ? 3 : 7)),
  seconds: Number(values.seconds ?? (values.quick ? 1 : 3)),
  rate: Number(values.rate),
  ...pinning(),
};
const progress = progressLine();
buildIfStale();
const cells = await measureTraefik(settings, progress);
progress('');
const outcome = result(cells, settings, revision());
const rows = traefikRows(cells);
const text = values.markdown
  ? [markdown(outcome), '', rowsAsMarkdown(rows)]
  : [table(outcome), '', ...rows.map(showRow)];
process.stdout.write(`${text.join('\n')}\n`);
process.exitCode = cells.some(({ fault }) => fault !== null) ? 1 : exitCodeOf(rows);
