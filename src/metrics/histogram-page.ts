// The text of one histogram that has thousands of series, as bytes. A line is a hundred bytes that are the same at every
// scrape and a number; the first are kept from scrape to scrape, because the primary that writes the page also restarts
// workers and hands on revocations.

export interface SeriesCounts {
  /** `name="escaped value",…` */
  readonly labels: string;
  /** By bound, and the last one for everything above; not cumulative. Zeros at the end may be missing. */
  readonly counts: readonly number[];
  readonly sum: number;
}

const ZERO = 0x30;
const NEWLINE = 0x0a;
/** The longest that a number gets as text. */
const LONGEST_NUMBER = 24;

export class HistogramPage {
  private readonly name: string;
  private readonly head: Buffer;
  private readonly ends: readonly string[];
  /** By labels: the beginnings of its lines, one behind the other, and where each ends. */
  private blocks = new Map<string, { readonly bytes: Buffer; readonly ends: readonly number[] }>();

  /** `bounds`: upper bounds in seconds, ascending. */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.head = Buffer.from(`# HELP ${name} ${help}\n# TYPE ${name} histogram\n`);
    this.ends = [...bounds, '+Inf'].map((bound) => `,le="${bound}"} `);
  }

  /** Prometheus exposition format 0.0.4. Nothing is kept of series that are not among these. */
  render(series: readonly SeriesCounts[]): Buffer {
    const used = new Map<string, { bytes: Buffer; ends: readonly number[] }>();
    let most = this.head.length;
    for (const { labels } of series) {
      const block = this.blocks.get(labels) ?? this.blockOf(labels);
      used.set(labels, block);
      most += block.bytes.length + block.ends.length * (LONGEST_NUMBER + 1);
    }
    this.blocks = used;

    const page = Buffer.allocUnsafe(most);
    let at = this.head.copy(page);
    for (const { labels, counts, sum } of series) {
      const block = used.get(labels);
      if (block === undefined) continue;
      const { bytes, ends } = block;
      let total = 0;
      let from = 0;
      for (let i = 0; i < ends.length; i += 1) {
        const end = ends[i] as number;
        at += bytes.copy(page, at, from, end);
        from = end;
        if (i < this.ends.length) total += counts[i] ?? 0;
        at = i === this.ends.length ? at + page.write(String(sum), at, 'latin1') : writeInteger(page, at, total);
        page[at] = NEWLINE;
        at += 1;
      }
    }
    return page.subarray(0, at);
  }

  /** Buckets, sum, count: in this order. */
  private blockOf(labels: string): { bytes: Buffer; ends: readonly number[] } {
    const { name } = this;
    const lines = [
      ...this.ends.map((end) => `${name}_bucket{${labels}${end}`),
      `${name}_sum{${labels}} `,
      `${name}_count{${labels}} `,
    ];
    let length = 0;
    const ends = lines.map((line) => {
      length += Buffer.byteLength(line);
      return length;
    });
    return { bytes: Buffer.from(lines.join('')), ends };
  }
}

/** `value`: a whole number, not negative. Returns where it ends. */
function writeInteger(page: Buffer, at: number, value: number): number {
  if (value < 10) {
    page[at] = ZERO + value;
    return at + 1;
  }
  let digits = 1;
  for (let power = 10; power <= value; power *= 10) digits += 1;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i -= 1) {
    const shorter = Math.floor(rest / 10);
    page[i] = ZERO + (rest - shorter * 10);
    rest = shorter;
  }
  return at + digits;
}
