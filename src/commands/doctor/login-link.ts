// What a challenge tells: where the browser would log in, and where it would come back to. Values that are secret or another's
// are never shown: `state`, `nonce`, `code_challenge` and the like stand in URLs of the identity provider.
import { belowPrefix } from '../../application/own-paths.js';

export interface LoginLink {
  /** P/start of the outpost. */
  readonly start: URL;
  /** Where the browser comes back to; null when the link does not say (longer than 2 048 characters) or it is no URL. */
  readonly back: URL | null;
}

/** `location` may be relative to `asked`. Null: not a login of the outpost. */
export function readLoginLink(location: string | undefined, asked: URL): LoginLink | null {
  const start = parse(location, asked);
  if (start === null || !isHttp(start) || belowPrefix(start.pathname) !== '/start') return null;
  return { start, back: parse(start.searchParams.get('rd') ?? undefined) };
}

function isHttp(url: URL): boolean {
  return url.protocol === 'http:' || url.protocol === 'https:';
}

export function parse(text: string | undefined, base?: URL): URL | null {
  return text !== undefined && URL.canParse(text, base?.href) ? new URL(text, base) : null;
}

/** Scheme, host and path; the query only by its names. */
export function show(url: URL): string {
  const names = [...url.searchParams.keys()].slice(0, 8).map((name) => printable(name, 40));
  return printable(`${url.origin}${url.pathname}`, 300) + (names.length === 0 ? '' : `?${names.join('=…&')}=…`);
}

/** What came from outside is shown on a terminal: no control characters, and not without end. */
export function printable(text: string, most: number): string {
  return text.slice(0, most).replace(/[^\x20-\x7e]/g, '?');
}
