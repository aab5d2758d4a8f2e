// The report as one HTML file with inline SVG: nothing to load, nothing to run.
import { conditions, type Figure, type Result, type ResultCell } from './report.js';
import { judge, type Row } from './verdict.js';

const BAR = 22;
const LABEL = 210;
const WIDTH = 900;
const ROOM = WIDTH - LABEL - 130;

export function htmlReport(outcome: Result): string {
  const names = [...new Set(outcome.cells.map(({ scenario }) => scenario))];
  const sections = names.map((name) => {
    const cells = outcome.cells.filter(({ scenario }) => scenario === name);
    return `<h2>${escapeHtml(cells[0]?.scenarioTitle ?? name)}</h2>
${chart('Server CPU per check, µs (less is better)', cells, (cell) => cell.cpuMicrosPerCheck, 2)}
${chart('CPU of the proxy per check, µs (less is better)', cells, (cell) => cell.proxyMicrosPerCheck, 0)}
${chart('Checks per second (more is better)', cells, (cell) => cell.checksPerSecond, 0)}
${chart('Connections opened per check (less is better)', cells, (cell) => cell.openedPerCheck, 3)}
${chart('99 of 100 checks at a fixed rate, ms (less is better)', cells, (cell) => cell.pacedP99Ms, 2)}
${chart('Memory of an idle daemon, PSS of all its processes, MiB (less is better)', cells, mebibytes, 1)}
${numbers(cells)}`;
  });
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>akprox bench, ${escapeHtml(outcome.commit)}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: ${WIDTH}px; margin: 2rem auto; padding: 0 1rem; color: #1c2530 }
svg { display: block; width: 100%; height: auto; margin: .5rem 0 1rem } svg text { font-size: 13px; fill: #1c2530 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .25rem .5rem; border-bottom: 1px solid #dde3ea } th:first-child, td:first-child { text-align: left }
</style></head>
<body>
<h1>akprox bench</h1>
<p>${escapeHtml(conditions(outcome)).replaceAll('\n', '<br>')}<br>${escapeHtml(outcome.at)}</p>
${sections.join('\n')}
${verdicts(outcome.rows ?? [])}
</body>
</html>
`;
}

function chart(
  title: string,
  cells: readonly ResultCell[],
  pick: (cell: ResultCell) => Figure | null | undefined,
  digits: number,
): string {
  const bars = cells.flatMap((cell) => {
    const figure = pick(cell);
    return figure ? [{ cell, figure }] : [];
  });
  if (bars.length === 0) return '';
  const most = Math.max(Number.MIN_VALUE, ...bars.map(({ figure }) => figure.median * (1 + (figure.spread ?? 0))));
  const rows = bars.map(({ cell, figure }, index) => {
    const y = 26 + index * (BAR + 6);
    const x = (value: number): string => (LABEL + (value / most) * ROOM).toFixed(1);
    const from = figure.median * (1 - (figure.spread ?? 0));
    const to = figure.median * (1 + (figure.spread ?? 0));
    const middle = y + BAR / 2;
    const colour = cell.target.startsWith('akprox') ? '#2563a8' : '#9fb0c3';
    return `<text x="0" y="${y + 16}">${escapeHtml(cell.targetTitle)}</text>
<rect x="${LABEL}" y="${y}" width="${((figure.median / most) * ROOM).toFixed(1)}" height="${BAR}" rx="3" fill="${colour}"/>
<path d="M${x(from)} ${middle}H${x(to)}" stroke="#1c2530"/>
<text x="${LABEL + ROOM + 10}" y="${y + 16}">${figure.median.toFixed(digits)}</text>`;
  });
  const height = 30 + bars.length * (BAR + 6);
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escapeHtml(title)}"><text x="0" y="14" font-weight="600">${escapeHtml(title)}</text>
${rows.join('\n')}</svg>`;
}

function mebibytes({ pssBytes }: ResultCell): Figure | null {
  return pssBytes ? { ...pssBytes, median: pssBytes.median / 1_048_576 } : null;
}

function numbers(cells: readonly ResultCell[]): string {
  if (cells.every(({ p50Ms, fault }) => p50Ms === null && fault === null)) return '';
  const show = (figure: Figure | null, digits: number, unit = 1): string =>
    figure === null ? '–' : (figure.median / unit).toFixed(digits);
  const td = (text: string): string => `<td>${text}</td>`;
  const rows = cells.map((cell) => {
    const values =
      cell.fault === null
        ? [show(cell.p50Ms, 2), show(cell.p99Ms, 2), show(cell.p999Ms, 2), show(cell.rssBytes, 0, 1_048_576)]
            .map(td)
            .join('')
        : `<td colspan="4">no figures: ${escapeHtml(cell.fault)}</td>`;
    return `<tr>${td(escapeHtml(cell.targetTitle))}${values}</tr>`;
  });
  const heads = ['Target', 'p50 ms', 'p99 ms', 'p99.9 ms', 'RSS MiB'].map((text) => `<th>${text}</th>`).join('');
  return `<table><tr>${heads}</tr>\n${rows.join('\n')}</table>`;
}

function verdicts(rows: readonly Row[]): string {
  if (rows.length === 0) return '';
  const lines = rows.map((row) => {
    const { verdict, median, least, most } = judge(row);
    const figure = (value: number): string => value.toFixed(row.digits ?? 2);
    const measured = verdict === 'not measured' ? (row.missing ?? '') : `${figure(median)}${row.unit ?? ''}`;
    const cells = [
      row.title,
      `${row.atLeast ? '≥' : '≤'} ${row.limit}${row.unit ?? ''}`,
      measured,
      row.rounds.length > 1 ? `${figure(least)} to ${figure(most)}` : '',
      verdict,
    ];
    return `<tr>${cells.map((text) => `<td>${escapeHtml(text)}</td>`).join('')}</tr>`;
  });
  const heads = ['What', 'Budget', 'Measured', 'Rounds', 'Verdict'].map((text) => `<th>${text}</th>`).join('');
  return `<h2>The budget</h2>\n<table><tr>${heads}</tr>\n${lines.join('\n')}</table>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}
