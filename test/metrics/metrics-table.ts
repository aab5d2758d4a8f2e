// The rows of the table of metrics in docs/metrics.md.
import { readFileSync } from 'node:fs';
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
