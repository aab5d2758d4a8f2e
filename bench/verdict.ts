// What a budget says of what was measured: a row is met, within the spread of its rounds, or missed.
import { median } from './percentiles.js';

export interface Row {
  readonly title: string;
  readonly limit: number;
  /** The limit is the least, not the most. */
  readonly atLeast?: boolean;
  /** One value for each round; none: it could not be measured here, and `missing` says why. */
  readonly rounds: readonly number[];
  readonly missing?: string;
  /** With the space in front of it. */
  readonly unit?: string;
  /** Digits behind the point; two unless given. */
  readonly digits?: number;
}

export type Verdict = 'met' | 'within' | 'missed' | 'not measured';

export interface Judged {
  readonly verdict: Verdict;
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/**
 * `within`: the median is beyond the limit and a round is not, so that the machine's own unrest is larger than what is missing. One
 * round alone is never `within`.
 */
export function judge({ rounds, limit, atLeast = false }: Row): Judged {
  if (rounds.length === 0) return { verdict: 'not measured', median: Number.NaN, least: Number.NaN, most: Number.NaN };
  const [middle, least, most] = [median(rounds), Math.min(...rounds), Math.max(...rounds)];
  const fits = (value: number): boolean => (atLeast ? value >= limit : value <= limit);
  const verdict = fits(middle) ? 'met' : fits(atLeast ? most : least) ? 'within' : 'missed';
  return { verdict, median: middle, least, most };
}

/** One value after the other, divided round by round: a noisy minute hits both. */
export function ratios(values: readonly (number | null)[], others: readonly (number | null)[]): number[] {
  return values.flatMap((value, round) => {
    const other = others[round] ?? null;
    return value === null || other === null || other === 0 ? [] : [value / other];
  });
}

export function showRow(row: Row): string {
  const { title, limit, atLeast, rounds, unit = '', missing = '' } = row;
  const { verdict, median: middle, least, most } = judge(row);
  const budget = `budget ${atLeast ? '≥' : '≤'} ${limit}${unit}`;
  if (verdict === 'not measured')
    return `${verdict.padEnd(12)} ${title.padEnd(TITLE)} ${' '.repeat(11)} ${budget}: ${missing}`;
  const figure = (value: number): string => value.toFixed(row.digits ?? 2);
  const spread = rounds.length > 1 ? ` (${figure(least)} to ${figure(most)})` : '';
  return `${verdict.padEnd(12)} ${title.padEnd(TITLE)} ${(figure(middle) + unit).padStart(11)} ${budget}${spread}`;
}

const TITLE = 74;

/** The same rows as a table for a document. */
export function rowsAsMarkdown(rows: readonly Row[]): string {
  const lines = rows.map((row) => {
    const { title, limit, atLeast, rounds, unit = '', missing = '' } = row;
    const { verdict, median: middle, least, most } = judge(row);
    const figure = (value: number): string => value.toFixed(row.digits ?? 2);
    const measured = rounds.length === 0 ? missing : `${figure(middle)}${unit}`;
    const spread = rounds.length > 1 ? `${figure(least)} to ${figure(most)}` : '';
    return `| ${title} | ${atLeast ? '≥' : '≤'} ${limit}${unit} | ${measured} | ${spread} | ${verdict} |`;
  });
  return ['| what | budget | measured (median) | rounds | verdict |', '|---|---:|---:|---:|---|', ...lines].join('\n');
}

/** 1 when a row is missed. */
export function exitCodeOf(rows: readonly Row[]): number {
  return rows.some((row) => judge(row).verdict === 'missed') ? 1 : 0;
}
