// The metrics page, written from the table of metrics when somebody scrapes. What may have a series per provider, and histograms,
// go through series-text.ts; the rest through prom-client.
import { Counter, Gauge, Registry } from 'prom-client';
import { type Facts, labelled, type Metric, type Row } from './metric.js';
import { SeriesText } from './series-text.js';
import type { Totals } from './totals.js';

export class MetricsPage {
  private readonly metrics: readonly Metric[];
  /** By name. */
  private readonly texts = new Map<string, SeriesText>();

  constructor(metrics: readonly Metric[]) {
    this.metrics = metrics;
  }

  /** UTF-8. */
  async render(totals: Totals, facts: Facts): Promise<Buffer> {
    const registry = new Registry();
    const texts: Buffer[] = [];
    for (const metric of this.metrics) {
      if ('show' in metric) {
        const rows = metric.show(facts);
        if (rows.length > 0) register(registry, metric, rows, facts);
      } else if (metric.type === 'histogram') texts.push(this.textOf(metric).render(totals.of(metric), facts));
      else if (metric.type === 'counter' && metric.columns !== undefined)
        texts.push(this.textOf({ ...metric, columns: metric.columns }).render(totals.of(metric), facts));
      else register(registry, metric, totals.of(metric), facts);
    }
    return Buffer.concat([Buffer.from(`${await registry.metrics()}\n`), ...texts]);
  }

  private textOf(metric: ConstructorParameters<typeof SeriesText>[0]): SeriesText {
    const text = this.texts.get(metric.name) ?? new SeriesText(metric);
    this.texts.set(metric.name, text);
    return text;
  }
}

function register(registry: Registry, metric: Metric, rows: readonly Row[], facts: Facts): void {
  const { name, help } = metric;
  const options = { name, help, labelNames: [...metric.labels], registers: [registry] };
  const target = metric.type === 'counter' ? new Counter(options) : new Gauge(options);
  // Both begin at nothing.
  for (const row of rows) target.inc(Object.fromEntries(labelled(metric, row, facts)), row[1][0] ?? 0);
}
