// What can be wrong with the headers that a proxy asks with: missing, doubled, contradicting each other, unreadable. Each has
// the header's name, the problem and the setting of the proxy that mends it.
import type { Dialect } from './dialects.js';
import type { HeaderSource } from './exchange.js';

export interface BadHeader {
  readonly header: string;
  readonly problem: string;
  readonly hint: string;
}

export const DOUBLED = 'came more than once';

const DOUBLED_HINT = 'the proxy must set it (and so replace what the client sent), not append to it';

/** How often each header came; filled by `countName`, which closes over nothing, so that a look allocates nothing. */
const times = [0, 0, 0, 0];
let names: readonly string[] = [];
const countName = (name: string): void => {
  const index = names.indexOf(name);
  if (index !== -1) times[index] = (times[index] as number) + 1;
};

/** The first header of the dialect that came twice, or must be there and is not; null when all is well. */
export function missingOrDoubled(dialect: Dialect, req: HeaderSource): BadHeader | null {
  names = dialect.single;
  times.fill(0);
  req.forEach(countName);
  for (let i = 0; i < names.length; i += 1) {
    const name = names[i] as string;
    if ((times[i] as number) > 1) return { header: titleCase(name), problem: DOUBLED, hint: DOUBLED_HINT };
    if (dialect.mustHave.includes(name) && req.getHeader(name) === '') {
      return { header: titleCase(name), problem: 'is missing', hint: dialect.hints[name] ?? '' };
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
