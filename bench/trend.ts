// Whether a series of memory readings is flat: a least-squares line through what comes after the warm-up.

export interface Reading {
  /** Checks answered so far. */
  readonly checks: number;
  readonly bytes: number;
}

export interface Trend {
  readonly readings: number;
  /** Bytes, of the readings after the warm-up. */
  readonly mean: number;
  /** Bytes that the line rises from the first reading after the warm-up to the last. */
  readonly rise: number;
  readonly flat: boolean;
}

/** `warmUp`: share of the checks that are not looked at. `limit`: bytes that the line may rise. */
export function trendOf(series: readonly Reading[], warmUp: number, limit: number): Trend {
  const from = (series.at(-1)?.checks ?? 0) * warmUp;
  const later = series.filter(({ checks }) => checks >= from);
  if (later.length < 3) throw new Error('a trend needs at least three readings after the warm-up');
  const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const middle = meanOf(later.map(({ checks }) => checks));
  const mean = meanOf(later.map(({ bytes }) => bytes));
  let across = 0;
  let along = 0;
  for (const { checks, bytes } of later) {
    across += (checks - middle) * (bytes - mean);
    along += (checks - middle) ** 2;
  }
  const span = (later.at(-1)?.checks ?? 0) - (later[0]?.checks ?? 0);
  const rise = (across / along) * span;
  return { readings: later.length, mean, rise, flat: rise <= limit };
}
