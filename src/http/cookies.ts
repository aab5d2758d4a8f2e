// Cookies: find one by name in the raw header (hot path), list those of a name or with a prefix, write one with its attributes.
// RFC 6265 §4. Where a cookie begins is the same for all but the hot path, which takes plain ones only. Nothing here decodes: our
// own values need no decoding and nobody else's concern us.
import type { Application } from '../application/application.js';
import { TICKET_LENGTH } from '../session/ticket.js';

// Not as methods of the header: V8 would look each of them up again at every check.
const { charCodeAt, indexOf, slice } = String.prototype;

const TAB = 0x09;
const SPACE = 0x20;
const COMMA = 0x2c;
const SEMICOLON = 0x3b;

/**
 * HOT PATH. The first value behind `needle` (`name=`) in a Cookie header; '' when it is not there. The needle counts only at
 * the start of a cookie: `xname=…`, `other=name=…` and `other=1, name=…` do not match.
 */
export function findCookie(header: string, needle: string): string {
  let at = indexOf.call(header, needle);
  while (at > 0) {
    const before = charCodeAt.call(header, at - 1);
    if (before === SEMICOLON || (before === SPACE && charCodeAt.call(header, at - 2) === SEMICOLON)) break;
    at = indexOf.call(header, needle, at + needle.length);
  }
  if (at === -1) return '';
  const start = at + needle.length;
  const end = indexOf.call(header, ';', start);
  return end === -1 ? slice.call(header, start) : slice.call(header, start, end);
}

/**
 * Every value behind `needle` that can be a ticket, over all Cookie headers, in the order they came. A client may send a name
 * several times (two Domains, two Paths), and a neighbouring subdomain may plant some in front of ours, so there is no limit
 * but the size of a request head: one that stopped earlier would lock people out.
 *
 * A proxy may have joined cookie lines with `, `, which is read as `; ` (contract §2.1). The same two characters may stand inside
 * another cookie's value, which an application may let a stranger choose: what only this reading finds counts only when the
 * plain reading finds nothing, so that it takes no session's place. A browser's cookies come one a line, or in one line.
 */
export function findTickets(headers: readonly string[], needle: string): string[] {
  const found: string[] = [];
  const joined: string[] = [];
  for (const header of headers) {
    for (let at = header.indexOf(needle); at !== -1; at = header.indexOf(needle, at + needle.length)) {
      const start = at + needle.length;
      const before = borderBefore(header, at);
      const after = borderAfter(header, start + TICKET_LENGTH);
      if (before === null || after === null || header.length - start < TICKET_LENGTH) continue;
      const value = header.slice(start, start + TICKET_LENGTH);
      if (before === COMMA || after === COMMA) joined.push(value);
      else found.push(value);
    }
  }
  const those = found.length > 0 ? found : joined;
  return those.length > 1 ? [...new Set(those)] : those;
}

/** What stands before a cookie, white space apart; null: something of another cookie, so that none begins at `at`. */
function borderBefore(header: string, at: number): typeof SEMICOLON | typeof COMMA | null {
  let i = at - 1;
  while (isSpace(header.charCodeAt(i))) i -= 1;
  if (i < 0 || header.charCodeAt(i) === SEMICOLON) return SEMICOLON;
  return header.charCodeAt(i) === COMMA && i < at - 1 ? COMMA : null;
}

/** What stands behind a cookie, white space apart; null: more of its value. */
function borderAfter(header: string, at: number): typeof SEMICOLON | typeof COMMA | null {
  let i = at;
  while (isSpace(header.charCodeAt(i))) i += 1;
  if (i >= header.length || header.charCodeAt(i) === SEMICOLON) return SEMICOLON;
  return header.charCodeAt(i) === COMMA ? COMMA : null;
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** Cookies whose name begins with `prefix`, at most `most` of them. `, ` parts cookies too: what we write into one has no comma. */
export function cookiesWithPrefix(
  headers: readonly string[],
  prefix: string,
  most: number,
): { name: string; value: string }[] {
  const found: { name: string; value: string }[] = [];
  for (const header of headers) {
    for (let at = header.indexOf(prefix); at !== -1; at = header.indexOf(prefix, at + prefix.length)) {
      if (borderBefore(header, at) === null) continue;
      const [cookie = ''] = header.slice(at).split(/;|, /, 1);
      const equals = cookie.indexOf('=');
      if (equals === -1) continue;
      found.push({ name: cookie.slice(0, equals).trim(), value: cookie.slice(equals + 1).trim() });
      if (found.length === most) return found;
    }
  }
  return found;
}

export interface CookieAttributes {
  readonly path: string;
  readonly domain: string;
  /** Seconds; 0 removes the cookie. */
  readonly maxAge: number;
}

/** A Set-Cookie value. Always HttpOnly; a browser removes a partitioned cookie only by one that says that it is. */
export function writeCookie(
  { secure, config: { cookie } }: Pick<Application, 'secure' | 'config'>,
  name: string,
  value: string,
  { path, domain, maxAge }: CookieAttributes,
): string {
  const where = `Path=${path}${domain === '' ? '' : `; Domain=${domain}`}`;
  const sameSite = cookie.same_site === 'none' ? 'None' : 'Lax';
  const flags = `HttpOnly${secure ? '; Secure' : ''}; SameSite=${sameSite}${cookie.partitioned ? '; Partitioned' : ''}`;
  return `${name}=${value}; ${where}; Max-Age=${maxAge}; ${flags}`;
}

/** The session cookie, or with an empty value its removal: same Domain and Path, or the browser keeps the old one. */
export function sessionCookie(application: Application, value: string, maxAge: number): string {
  return writeCookie(application, application.cookieName, value, {
    path: '/',
    domain: application.config.mode === 'forward_domain' ? application.config.cookie_domain : '',
    maxAge: value === '' ? 0 : maxAge,
  });
}
