// Text of Prometheus' exposition format 0.0.4. prom-client has no way to publish histograms that were kept elsewhere.
import type { BucketCounts } from '../infra/buckets.js';

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
