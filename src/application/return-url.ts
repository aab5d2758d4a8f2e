// Where a login leads (`rd`). Whoever sends a link with `rd` chooses it, so the target is rebuilt from parsed parts, must lie
// where the session counts, and must read the same to a browser (WHATWG) and to RFC 3986; otherwise the login leads home.
import { hostname, isUnderDomain, parseHost, stripDefaultPort } from './host.js';
import { isCallback, leadsToOwnStep } from './own-paths.js';
import type { PublicOrigin } from './public-origin.js';

/** Where an application lives, as far as a login may lead back to it. */
export interface ReturnTarget extends PublicOrigin {
  readonly mode: 'forward_single' | 'forward_domain';
  /** Without leading dot; '' in `forward_single`. */
  readonly cookieDomain: string;
}

/** A longer `rd` leads home. */
export const LONGEST_RETURN_URL = 2_048;
/** Codes may be long; the value leads nowhere. */
const LONGEST_CALLBACK = 16_384;

/** The target in a raw query string, or the application's own page when there is none that may be trusted. */
export function resolveReturnUrl(rawQuery: string | undefined, target: ReturnTarget): string {
  return findReturnUrl(rawQuery, target) ?? `${target.origin}/`;
}

/** The same; null when there is none that may be trusted. */
export function findReturnUrl(rawQuery: string | undefined, target: ReturnTarget): string | null {
  const raw = rawParameter(rawQuery ?? '');
  return raw === null ? null : acceptReturnUrl(decodeParameter(raw), target);
}

/**
 * Whether `rd` is our own callback with what an identity provider sends there: the proxy asked about it instead of routing it to us, and a
 * login that began now would end the same way.
 */
export function returnsToCallback(rawQuery: string, target: ReturnTarget): boolean {
  const raw = rawParameter(rawQuery);
  const candidate = raw === null ? '' : decodeParameter(raw);
  if (candidate === '' || candidate.length > LONGEST_CALLBACK || !URL.canParse(candidate, target.origin)) return false;
  const url = new URL(candidate, target.origin);
  const isOurs = isCallback(url.pathname.replace(/\/+/g, '/'), url.searchParams);
  return isOurs && url.searchParams.has('state') && (url.searchParams.has('code') || url.searchParams.has('error'));
}

/**
 * The raw value behind `rd=`. Stock nginx does not encode it, so everything behind it belongs to it; an encoded value ends
 * at the next `&`, since whoever encodes would have encoded that one.
 */
function rawParameter(query: string): string | null {
  const at = query.startsWith('rd=') ? 0 : query.indexOf('&rd=') + 1;
  if (at === 0 && !query.startsWith('rd=')) return null;
  const rest = query.slice(at + 3);
  const isEncoded = /^(?:https?(?:%3a|:\/\/[^/?#&]*(?:%2f|%3f|$|&))|%2f)/i.test(rest);
  const end = isEncoded ? rest.indexOf('&') : -1;
  return end === -1 ? rest : rest.slice(0, end);
}

/** Decodes at most once: a value that begins encoded, or (ingress-nginx) whose part behind the host does. */
function decodeParameter(raw: string): string {
  const whole = /^(?:https?%3a|%2f)/i.test(raw);
  const half = /^https?:\/\/[^/?#%]*%(?:2f|3f)/i.test(raw);
  if (!whole && !half) return raw;
  try {
    return decodeURIComponent(raw);
  } catch {
    return '';
  }
}

/** The candidate rebuilt, or null when a login may not lead there. */
export function acceptReturnUrl(candidate: string, target: ReturnTarget): string | null {
  if (candidate === '' || candidate.length > LONGEST_RETURN_URL || !isPlain(candidate)) return null;
  const absolute = candidate.startsWith('/') && !candidate.startsWith('//') ? target.origin + candidate : candidate;
  // Strict first: scheme, authority without user-info, then a path or nothing. What WHATWG repairs is refused.
  const parts = /^(https?):\/\/([^/?#@]+)([/?].*)?$/i.exec(absolute);
  if (parts === null) return null;
  const [, rawScheme = '', authority = '', rest = ''] = parts;
  const scheme = rawScheme.toLowerCase() === 'https' ? 'https' : 'http';
  const parsedHost = parseHost(authority);
  if (parsedHost === null || !URL.canParse(absolute)) return null;
  const host = stripDefaultPort(parsedHost, scheme);
  const url = new URL(absolute);
  if (url.host.replace(/\.(?=:|$)/, '') !== host || url.username !== '' || url.password !== '') return null;

  // ingress-nginx behind a TLS-terminating balancer says http for what the browser knows as https. A port that was written
  // out is believed, unless it is the origin's own.
  const upgrade = scheme === 'http' && target.secure;
  const finalScheme = upgrade && (parsedHost === hostname(parsedHost) || parsedHost === target.host) ? 'https' : scheme;
  const allowed =
    target.mode === 'forward_single'
      ? isSamePlace(finalScheme, host, target)
      : isUnderDomain(host, target.cookieDomain);
  if (!allowed) return null;
  const path = rest.startsWith('/') ? rest : `/${rest}`;
  const result = new URL(`${finalScheme}://${host}${path}`);
  result.hash = '';
  if (isOwnStep(result)) return null;
  return result.href.length > LONGEST_RETURN_URL ? null : result.href;
}

/** Same host, same port. An origin without TLS may be reached with it, in front of us. */
function isSamePlace(scheme: 'http' | 'https', host: string, target: PublicOrigin): boolean {
  if (host !== target.host) return false;
  return target.host !== target.hostname || !target.secure || scheme === 'https';
}

/**
 * Whether a login that leads there would begin again, or sign the user out. Asked after normalisation and decoding, with
 * repeated slashes merged as nginx merges them, so that no other spelling of one of our steps gets by.
 */
function isOwnStep(url: URL): boolean {
  let path: string;
  try {
    path = decodeURIComponent(url.pathname);
  } catch {
    path = url.pathname;
  }
  // An encoded slash may have hidden a dot segment from the URL parser.
  if (/(?:^|[\\/])\.{1,2}(?:[\\/;]|$)/.test(path)) return true;
  return leadsToOwnStep(path.replace(/[\\/]+/g, '/'), url.searchParams.keys());
}

/** No control character, no white space, no backslash: browsers drop or turn them, others do not. */
function isPlain(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f || code === 0x5c) return false;
  }
  // Encoded ones in the authority are caught by parseHost; elsewhere they are data of the application.
  return text.isWellFormed();
}
