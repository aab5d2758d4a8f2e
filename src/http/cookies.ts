// Cookies: find one by name in the raw header (hot path), list those with a prefix, write one with its attributes.
// RFC 6265 §4. Nothing here decodes: our own values need no decoding and nobody else's concern us.
import type { Provider } from '../provider/provider.js';
import { TICKET_LENGTH } from '../session/ticket.js';

// Not as methods of the header: V8 would look each of them up again at every check.
const { charCodeAt, indexOf, slice } = String.prototype;

const TAB = 0x09;
const SPACE = 0x20;
const SEMICOLON = 0x3b;
/**
 * A client may send a name several times (two Domains, two Paths), and a neighbouring subdomain may plant some in front of
 * ours. Only values of a ticket's length count, and of those no more than this many.
 */
const MOST_DOUBLES = 16;

/**
 * HOT PATH. The first value behind `needle` (`name=`) in a Cookie header; '' when it is not there. The needle counts only at
 * the start of a cookie: `xname=…` and `other=name=…` do not match.
 */
export function findCookie(header: string, needle: string): string {
  let at = indexOf.call(header, needle);
  while (at > 0) {
    const before = charCodeAt.call(header, at - 1);
    if (before === SPACE || before === SEMICOLON) break;
    at = indexOf.call(header, needle, at + needle.length);
  }
  if (at === -1) return '';
  const start = at + needle.length;
  const end = indexOf.call(header, ';', start);
  return end === -1 ? slice.call(header, start) : slice.call(header, start, end);
}

/** Every value behind `needle` that can be a ticket, over all Cookie headers, in the order they came. */
export function findTickets(headers: readonly string[], needle: string): string[] {
  const found: string[] = [];
  for (const header of headers) {
    for (let at = header.indexOf(needle); at !== -1; at = header.indexOf(needle, at + needle.length)) {
      const end = at + needle.length + TICKET_LENGTH;
      if (!isBetweenCookies(header, at - 1) || !isBetweenCookies(header, end)) continue;
      const value = header.slice(at + needle.length, end);
      if (value.length === TICKET_LENGTH && !found.includes(value) && found.push(value) === MOST_DOUBLES) return found;
    }
  }
  return found;
}

function isBetweenCookies(header: string, at: number): boolean {
  const code = header.charCodeAt(at);
  return Number.isNaN(code) || code === SPACE || code === SEMICOLON || code === TAB;
}

/** Cookies whose name begins with `prefix`, at most `most` of them. */
export function cookiesWithPrefix(
  headers: readonly string[],
  prefix: string,
  most: number,
): { name: string; value: string }[] {
  const found: { name: string; value: string }[] = [];
  for (const cookie of eachCookie(headers)) {
    if (cookie.name.startsWith(prefix) && found.push(cookie) === most) break;
  }
  return found;
}

function* eachCookie(headers: readonly string[]): Generator<{ name: string; value: string }> {
  for (const header of headers) {
    for (const part of header.split(';')) {
      const equals = part.indexOf('=');
      if (equals > 0) yield { name: part.slice(0, equals).trim(), value: part.slice(equals + 1).trim() };
    }
  }
}

export interface CookieAttributes {
  readonly path: string;
  readonly domain: string;
  readonly secure: boolean;
  /** Seconds; 0 removes the cookie. */
  readonly maxAge: number;
}

/** A Set-Cookie value. Always HttpOnly and SameSite=Lax. */
export function writeCookie(name: string, value: string, attributes: CookieAttributes): string {
  const domain = attributes.domain === '' ? '' : `; Domain=${attributes.domain}`;
  const secure = attributes.secure ? '; Secure' : '';
  return `${name}=${value}; Path=${attributes.path}${domain}; Max-Age=${attributes.maxAge}; HttpOnly${secure}; SameSite=Lax`;
}

/** The session cookie, or with an empty value its removal: same Domain and Path, or the browser keeps the old one. */
export function sessionCookie(provider: Provider, value: string, maxAge: number): string {
  return writeCookie(provider.cookieName, value, {
    path: '/',
    domain: provider.config.mode === 'forward_domain' ? provider.config.cookie_domain : '',
    secure: provider.secure,
    maxAge: value === '' ? 0 : maxAge,
  });
}
