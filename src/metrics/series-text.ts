// The text of one metric that has thousands of series, as bytes. A line is a hundred bytes that are the same at every scrape
// and a number; the first are kept from scrape to scrape, because the primary that writes the page also restarts workers and
// hands on revocations. prom-client has no way to publish a histogram that was kept elsewhere.
import { type Counter, type Facts, type Histogram, labelled, type Row } from './metric.js';
import type { Series } from './totals.js';

const ZERO = 0x30;
const NEWLINE = 0x0a;
/** The longest that a number gets as text. */
const LONGEST_NUMBER = 24;

/** The beginnings of a series' lines, one behind the other, and where each ends. */
interface Block {
  readonly bytes: Buffer;
  readonly ends: readonly number[];
}

export type ManySeries = Histogram | (Counter & Required<Pick<Counter, 'columns'>>);

export class SeriesText {
  private readonly metric: ManySeries;
  private readonly head: Buffer;
  private blocks = new Map<Series, Block>();
  /** The values of labels that these blocks were made with. */
  private filled = '';

  constructor(metric: ManySeries) {
    this.metric = metric;
    this.head = Buffer.from(`# HELP ${metric.name} ${metric.help}\n# TYPE ${metric.name} ${metric.type}\n`);
  }

  /** Prometheus exposition format 0.0.4. Nothing is kept of series that are not among these. */
  render(all: readonly Series[], facts: Facts): Buffer {
    const former = this.formerBlocks(facts);
    this.blocks = new Map();
    let most = this.head.length;
    for (const series of all) {
      const block = former.get(series) ?? blockOf(this.beginnings(series, facts));
      this.blocks.set(series, block);
      most += block.bytes.length + block.ends.length * (LONGEST_NUMBER + 1);
    }
    const page = Buffer.allocUnsafe(most);
    let at = this.head.copy(page);
    const write = this.metric.type === 'histogram' ? writeHistogram : writeColumns;
    for (const [[, numbers], block] of this.blocks) at = write(page, at, block, numbers);
    return page.subarray(0, at);
  }

  private formerBlocks(facts: Facts): ReadonlyMap<Series, Block> {
    const filled = JSON.stringify(Object.values(this.metric.filled ?? {}).map((value) => value(facts)));
    const same = filled === this.filled;
    this.filled = filled;
    return same ? this.blocks : new Map();
  }

  private beginnings(series: Row, facts: Facts): readonly string[] {
    const { metric } = this;
    const { name } = metric;
    const labels = labelled(metric, series, facts);
    if (metric.type === 'counter') {
      const { label, values } = metric.columns;
      return values.map((value) => `${name}${labelText([...labels, [label, value]])} `);
    }
    return [
      ...[...metric.bounds, '+Inf'].map((bound) => `${name}_bucket${labelText([...labels, ['le', String(bound)]])} `),
      `${name}_sum${labelText(labels)} `,
      `${name}_count${labelText(labels)} `,
    ];
  }
}

function labelText(labels: readonly (readonly [string, string])[]): string {
  if (labels.length === 0) return '';
  return `{${labels.map(([label, value]) => `${label}="${escapeLabel(value)}"`).join(',')}}`;
}

/** A label value as the exposition format wants it. */
export function escapeLabel(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}

function blockOf(beginnings: readonly string[]): Block {
  let length = 0;
  const ends = beginnings.map((line) => {
    length += Buffer.byteLength(line);
    return length;
  });
  return { bytes: Buffer.from(beginnings.join('')), ends };
}

function writeColumns(page: Buffer, from: number, { bytes, ends }: Block, numbers: readonly number[]): number {
  let at = from;
  for (let i = 0; i < ends.length; i += 1) {
    at += bytes.copy(page, at, ends[i - 1] ?? 0, ends[i]);
    at = writeInteger(page, at, numbers[i] ?? 0);
    page[at] = NEWLINE;
    at += 1;
  }
  return at;
}

/** Buckets, sum, count: in this order. */
function writeHistogram(
  page: Buffer,
  from: number,
  { bytes, ends }: Block,
  [sum = 0, ...counts]: readonly number[],
): number {
  const sumAt = ends.length - 2;
  let at = from;
  let total = 0;
  for (let i = 0; i < ends.length; i += 1) {
    at += bytes.copy(page, at, ends[i - 1] ?? 0, ends[i]);
    if (i < sumAt) total += counts[i] ?? 0;
    at = i === sumAt ? at + page.write(String(sum), at, 'latin1') : writeInteger(page, at, total);
    page[at] = NEWLINE;
    at += 1;
  }
  return at;
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
