// A histogram as plain numbers: to count where it happens costs two additions, and whoever shows it makes text of it later.

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

/** For a message: most histograms have nothing above their first bounds. */
export function trimmed({ counts, sum }: BucketCounts): BucketCounts {
  return { counts: counts.slice(0, counts.findLastIndex((count) => count > 0) + 1), sum };
}

/** Both added up; either may be the shorter one. */
export function addBuckets(one: BucketCounts, other: BucketCounts): BucketCounts {
  const [long, short] = one.counts.length >= other.counts.length ? [one, other] : [other, one];
  return { counts: long.counts.map((count, i) => count + (short.counts[i] ?? 0)), sum: one.sum + other.sum };
}
