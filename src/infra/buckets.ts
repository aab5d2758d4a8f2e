// A histogram as plain numbers: what is counted where it happens costs two additions, and is made into Prometheus' text when
// somebody scrapes. prom-client has no way to publish counts that were kept elsewhere.

export interface BucketCounts {
  /** By bound, and the last one for everything above; not cumulative. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export class Buckets implements BucketCounts {
  readonly counts: number[];
  sum = 0;

  /** `bounds`: upper bounds in seconds, ascending. */
  constructor(private readonly bounds: readonly number[]) {
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(seconds: number): void {
    const index = this.bounds.findIndex((bound) => seconds <= bound);
    const at = index === -1 ? this.bounds.length : index;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sum += seconds;
  }
}

export const LAG_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
export const STORE_BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5];

/** The text of one histogram (Prometheus exposition format 0.0.4), the counts of several processes added up. */
export function histogramText(
  name: string,
  help: string,
  bounds: readonly number[],
  series: readonly { readonly labels: string; readonly counts: BucketCounts }[],
): string {
  const merged = new Map<string, { counts: number[]; sum: number }>();
  for (const { labels, counts } of series) {
    const into = merged.get(labels) ?? { counts: new Array<number>(bounds.length + 1).fill(0), sum: 0 };
    counts.counts.forEach((count, i) => {
      into.counts[i] = (into.counts[i] ?? 0) + count;
    });
    into.sum += counts.sum;
    merged.set(labels, into);
  }
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const [labels, { counts, sum }] of merged) {
    const prefix = labels === '' ? '' : `${labels},`;
    let total = 0;
    counts.forEach((count, i) => {
      total += count;
      lines.push(`${name}_bucket{${prefix}le="${bounds[i] ?? '+Inf'}"} ${total}`);
    });
    const own = labels === '' ? '' : `{${labels}}`;
    lines.push(`${name}_sum${own} ${sum}`, `${name}_count${own} ${total}`);
  }
  return `${lines.join('\n')}\n`;
}
