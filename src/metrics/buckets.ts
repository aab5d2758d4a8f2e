// A histogram as plain numbers: what is counted where it happens costs two additions, and is made into Prometheus' text when
// somebody scrapes. prom-client has no way to publish counts that were kept elsewhere.

export interface BucketCounts {
  /** By bound, and the last one for everything above; not cumulative. Zeros at the end may be missing. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export class Buckets implements BucketCounts {
  private readonly bounds: readonly number[];
  readonly counts: number[];
  sum = 0;

  /** `bounds`: upper bounds in seconds, ascending. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  /** `weight`: how many events this one stands for, when only a sample of them is timed. */
  observe(seconds: number, weight = 1): void {
    const index = this.bounds.findIndex((bound) => seconds <= bound);
    const at = index === -1 ? this.bounds.length : index;
    this.counts[at] = (this.counts[at] ?? 0) + weight;
    this.sum += seconds * weight;
  }
}

export const LAG_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
export const STORE_BOUNDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5];
/** From 10 µs: a cached check takes less than the first bound, one that asks the store is in the middle. */
export const CHECK_BOUNDS = [
  0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1, 5,
];
/** Prometheus' defaults, which the official outpost has. */
export const REQUEST_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** For a message: most histograms have nothing above their first bounds. */
export function trimmed({ counts, sum }: BucketCounts): BucketCounts {
  return { counts: counts.slice(0, counts.findLastIndex((count) => count > 0) + 1), sum };
}

/** Both added up; either may be the shorter one. */
export function addBuckets(one: BucketCounts, other: BucketCounts): BucketCounts {
  const [long, short] = one.counts.length >= other.counts.length ? [one, other] : [other, one];
  return { counts: long.counts.map((count, i) => count + (short.counts[i] ?? 0)), sum: one.sum + other.sum };
}

/** A label value as the exposition format wants it. */
export function escapeLabel(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}

/** The text of one histogram (Prometheus exposition format 0.0.4). `labels`: `name="escaped value",…`, '' for none. */
export function histogramText(
  name: string,
  help: string,
  bounds: readonly number[],
  series: readonly { readonly labels: string; readonly counts: BucketCounts }[],
): string {
  const ends = [...bounds, '+Inf'].map((bound) => `le="${bound}"} `);
  let text = `# HELP ${name} ${help}\n# TYPE ${name} histogram\n`;
  for (const {
    labels,
    counts: { counts, sum },
  } of series) {
    const bucket = `${name}_bucket{${labels === '' ? '' : `${labels},`}`;
    let total = 0;
    for (let i = 0; i < ends.length; i += 1) {
      total += counts[i] ?? 0;
      text += `${bucket}${ends[i]}${total}\n`;
    }
    const own = labels === '' ? '' : `{${labels}}`;
    text += `${name}_sum${own} ${sum}\n${name}_count${own} ${total}\n`;
  }
  return text;
}
