// The table of metrics in docs/metrics.md: made from the code, and its rows.
import { readFileSync } from 'node:fs';
import type { Metric } from '../../src/metrics/metric.js';
import { marked } from '../kit/marked.js';

export interface MetricRow {
  readonly name: string;
  readonly type: string;
  /** In alphabetical order. */
  readonly labels: readonly string[];
  readonly help: string;
}

export function documentedMetrics(): MetricRow[] {
  const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  const table = marked(text, 'metrics');
  return [...table.matchAll(/^\| `(\w+)` \| (\w+) \|(.*?)\| (.*) \|$/gm)].map(([, name, type, labels, help]) => ({
    name: name ?? '',
    type: type ?? '',
    labels: [...(labels ?? '').matchAll(/`(\w+)`/g)].map(([, label]) => label ?? ''),
    help: help ?? '',
  }));
}

/** In alphabetical order, the labels too. */
export function metricsTable(metrics: readonly Metric[]): string {
  const sorted = metrics.toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const rows = sorted.map(({ name, type, labels, help }) => {
    const codes = labels.toSorted().map((label) => `\`${label}\``);
    return `| \`${name}\` | ${type} | ${codes.length === 0 ? '' : `${codes.join(', ')} `}| ${help} |`;
  });
  return ['| metric | type | labels | what it says |', '|---|---|---|---|', ...rows].join('\n');
}
