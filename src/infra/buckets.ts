// A histogram as plain numbers: to count where it happens costs two additions, and whoever shows it makes text of it later.

export class Buckets {
  private readonly bounds: readonly number[];
  private readonly counts: number[];
  private sum = 0;
  /** Whether nothing was counted since the last `take`. */
  empty = true;

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
    this.empty = false;
  }

  /**
   * What was counted since the last call: the sum in seconds; then the counts by bound, the last one for everything above; not
   * cumulative, without zeros at the end. Nothing at all when nothing was.
   */
  take(): number[] {
    if (this.empty) return [];
    // To the nanosecond: what additions leave behind it would only be long.
    const taken = [
      Math.round(this.sum * 1e9) / 1e9,
      ...this.counts.slice(0, this.counts.findLastIndex((count) => count > 0) + 1),
    ];
    this.counts.fill(0);
    this.sum = 0;
    this.empty = true;
    return taken;
  }
}
