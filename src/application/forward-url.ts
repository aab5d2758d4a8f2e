// The forward URL: what the browser asked the proxy for. It is kept as it came; for comparisons its path is decoded once,
// and a path that two readers could take for two different things compares equal to nothing.
import { parseHost, stripDefaultPort } from './host.js';

export interface ForwardUrl {
  readonly scheme: 'http' | 'https';
  /** Canonical `host[:port]`, without a default port. */
  readonly host: string;
  /** As sent, without query; `UNKNOWN_PATH` when the proxy does not tell. */
  readonly path: string;
  /** As sent, without `?`; '' when there is none. */
  readonly query: string;
  readonly href: string;
}

/** Is on no allow-list. */
export const UNKNOWN_PATH = '';

/** What `max_header_bytes` lets in by default; whoever works on a URL for longer has a tighter limit of their own. */
const LONGEST = 65_536;

/**
 * `ws`/`wss` count as http/https (Traefik sends them for WebSocket handshakes). `uri` is path and query. `known`: a host in
 * canonical spelling, which need not be parsed again. Null: not a URL.
 */
export function parseForwardUrl(proto: string, host: string, uri: string, known = ''): ForwardUrl | null {
  const scheme = schemeOf(proto);
  const canonical = host !== '' && host === known ? known : parseHost(host);
  if (scheme === null || canonical === null || !isRequestTarget(uri)) return null;
  const mark = uri.indexOf('?');
  const place = stripDefaultPort(canonical, scheme);
  return {
    scheme,
    host: place,
    path: mark === -1 ? uri : uri.slice(0, mark),
    query: mark === -1 ? '' : uri.slice(mark + 1),
    href: `${scheme}://${place}${uri}`,
  };
}

/** `X-Original-URL`: `scheme://host/path?query`. */
export function parseAbsolute(url: string, known = ''): ForwardUrl | null {
  const colon = url.indexOf('://');
  if (colon === -1) return null;
  const start = colon + 3;
  const slash = url.indexOf('/', start);
  return slash === -1
    ? parseForwardUrl(url.slice(0, colon), url.slice(start), '/', known)
    : parseForwardUrl(url.slice(0, colon), url.slice(start, slash), url.slice(slash), known);
}

function schemeOf(proto: string): 'http' | 'https' | null {
  if (proto === 'https' || proto === 'http') return proto;
  switch (proto.toLowerCase()) {
    case 'http':
    case 'ws':
      return 'http';
    case 'https':
    case 'wss':
      return 'https';
    default:
      return null;
  }
}

/** Origin form (RFC 9112 §3.2.1). Bytes above ASCII pass: Go does not escape all of them. */
function isRequestTarget(uri: string): boolean {
  if (!uri.startsWith('/') || uri.length > LONGEST) return false;
  for (let i = 0; i < uri.length; i += 1) {
    const code = uri.charCodeAt(i);
    if (code <= 0x20 || code === 0x7f || code === 0x23 /* # */ || code === 0x5c /* \ */) return false;
  }
  return true;
}

/**
 * A path after one percent-decode, for comparing. Null when it could mean something else to the application: an encoded
 * `/` or `\`, a control character, a bad escape, invalid UTF-8, or a `.` or `..` segment in any spelling. `..;x` is one (Java
 * servers cut path parameters off before they resolve dots: `/public/..;/admin` is `/admin` there), and so is one with
 * spaces around it (Windows trims them).
 */
export function decodePathOnce(path: string): string | null {
  // U+FFFD unencoded is what a lenient decoder made of bytes that were not UTF-8.
  if (/%(?:2f|5c)/i.test(path) || /[\\\ufffd]/.test(path) || !path.isWellFormed()) return null;
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return null;
  }
  for (let i = 0; i < decoded.length; i += 1) {
    const code = decoded.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return null;
  }
  return /(?:^|\/) *\.(?: *\.)? *(?:[/;]|$)/.test(decoded) ? null : decoded;
}
