// What can be wrong with the headers that a proxy asks with: missing, doubled, contradicting each other, unreadable. Each has
// the header's name, the problem and the setting of the proxy that mends it.
import type { Dialect } from './dialects.js';
import type { HeaderSource } from './exchange.js';
import type { VisitedHeaders } from './visited-headers.js';

export interface BadHeader {
  readonly header: string;
  readonly problem: string;
  readonly hint: string;
}

export const DOUBLED = 'came more than once';

const DOUBLED_HINT = 'the proxy must set it (and so replace what the client sent), not append to it';

/** The first header of the dialect that came twice, or must be there and is not; null when all is well. */
export function missingOrDoubled(dialect: Dialect, req: VisitedHeaders): BadHeader | null {
  for (const name of dialect.single) {
    if (req.count(name) > 1) return { header: titleCase(name.text), problem: DOUBLED, hint: DOUBLED_HINT };
    if (req.get(name) === '' && dialect.mustHave.includes(name)) {
      return { header: titleCase(name.text), problem: 'is missing', hint: dialect.hints[name.text] ?? '' };
    }
  }
  return null;
}

export function contradicting(dialect: Dialect): BadHeader {
  const problem = 'names another application than Host, or another path than X-Original-URI: a client may have sent it';
  return { header: 'X-Original-URL', problem, hint: dialect.hints['x-original-url'] ?? '' };
}

export function unreadable(dialect: Dialect, req: HeaderSource): BadHeader {
  const hint = 'it must be what the browser asked for, percent-encoded as it came';
  return { header: titleCase(dialect.urlHeader(req)), problem: 'cannot be read as a URL', hint };
}

/** As proxies and their documentation spell them: X-Forwarded-Uri, X-Original-URL. */
function titleCase(name: string): string {
  const title = name.replace(/(^|-)([a-z])/g, (match) => match.toUpperCase());
  return title.startsWith('X-Original-') ? title.replace(/Ur[il]$/, (match) => match.toUpperCase()) : title;
}
