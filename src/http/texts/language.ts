// Which language a page is in: `Accept-Language` (RFC 9110 §12.5.4), matched by lookup (RFC 4647 §3.4), so `de-AT` finds German.
import { DEFAULT_LANGUAGE, LANGUAGES, type Language } from './page-texts.js';

/** Browsers send a handful; whatever lies behind is not read. */
const LONGEST = 512;
const MOST_RANGES = 16;

const RANGE = /^(\*|[a-z]{1,8}(?:-[a-z0-9]{1,8})*)(?:;q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/;

/** `header`: as it was sent, '' when it was not. What cannot be read counts as not sent. */
export function chooseLanguage(header: string): Language {
  const wanted = rangesOf(header);
  const refused = new Set(wanted.filter(({ weight }) => weight === 0).map(({ range }) => range));
  const free = LANGUAGES.filter((language) => !refused.has(language));
  for (const { range, weight } of wanted.toSorted((left, right) => right.weight - left.weight)) {
    if (weight === 0) break;
    if (range === '*') return free[0] ?? DEFAULT_LANGUAGE;
    const found = free.find((language) => range === language || range.startsWith(`${language}-`));
    if (found !== undefined) return found;
  }
  return DEFAULT_LANGUAGE;
}

function rangesOf(header: string): { range: string; weight: number }[] {
  const parts = header.slice(0, LONGEST).toLowerCase().split(',');
  // What was cut off may have been another language.
  if (header.length > LONGEST) parts.pop();
  return parts.slice(0, MOST_RANGES).flatMap((part) => {
    const [, range, weight = '1'] = RANGE.exec(part.replace(/[ \t]+/g, '')) ?? [];
    return range === undefined ? [] : [{ range, weight: Number(weight) }];
  });
}
