// The text of a histogram in the plainest way, to compare with: Prometheus exposition format 0.0.4.

/** `labels`: `name="escaped value",…`. */
export function histogramText(
  name: string,
  help: string,
  bounds: readonly number[],
  series: readonly { readonly labels: string; readonly counts: readonly number[]; readonly sum: number }[],
): string {
  const ends = [...bounds, '+Inf'].map((bound) => `le="${bound}"} `);
  let text = `# HELP ${name} ${help}\n# TYPE ${name} histogram\n`;
  for (const { labels, counts, sum } of series) {
    let total = 0;
    for (let i = 0; i < ends.length; i += 1) {
      total += counts[i] ?? 0;
      text += `${name}_bucket{${labels},${ends[i]}${total}\n`;
    }
    text += `${name}_sum{${labels}} ${sum}\n${name}_count{${labels}} ${total}\n`;
  }
  return text;
}
