// Host names as HTTP carries them: one canonical spelling, computed once, and domains compared on label boundaries only.
import { isIPv6 } from 'node:net';

const LONGEST = 260;
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;

/**
 * `host[:port]`, lower-case, one trailing dot of the name dropped, IPv6 brackets kept. Null for anything else: user-info,
 * lists, white space, non-ASCII (a browser sends punycode), empty labels, ports outside 1 to 65535.
 */
export function parseHost(raw: string): string | null {
  // Looked at before lower-casing, which turns the Kelvin sign into an ASCII `k`.
  if (raw.length === 0 || raw.length > LONGEST || !isPrintableAscii(raw)) return null;
  const text = raw.toLowerCase();
  const colon = text.indexOf(':', text.startsWith('[') ? text.indexOf(']') : 0);
  const rawName = colon === -1 ? text : text.slice(0, colon);
  const name = rawName.endsWith('.') && !rawName.startsWith('[') ? rawName.slice(0, -1) : rawName;
  if (!isName(name)) return null;
  if (colon === -1) return name;
  const port = text.slice(colon + 1);
  return /^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65_535 ? `${name}:${port}` : null;
}

function isPrintableAscii(text: string): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i);
    if (code < 0x21 || code > 0x7e) return false;
  }
  return true;
}

function isName(name: string): boolean {
  // A zone (`[fe80::1%eth0]`) means something to one machine only.
  if (name.startsWith('[')) return name.endsWith(']') && !name.includes('%') && isIPv6(name.slice(1, -1));
  return isDomainName(name);
}

/** Labels of letters, digits, `-` and `_`, in lower case. */
export function isDomainName(name: string): boolean {
  return name.length <= 253 && name.split('.').every((label) => LABEL.test(label));
}

/** `host[:port]` without its port. */
export function hostname(host: string): string {
  const colon = host.lastIndexOf(':');
  return colon === -1 || host.endsWith(']') ? host : host.slice(0, colon);
}

/** `host[:port]` without a port that the scheme implies. */
export function stripDefaultPort(host: string, scheme: 'http' | 'https'): string {
  const suffix = scheme === 'https' ? ':443' : ':80';
  return host.endsWith(suffix) ? host.slice(0, -suffix.length) : host;
}

/** Whether a host is `domain` or below it; the port does not matter. `evilexample.com` is not below `example.com`. */
export function isUnderDomain(host: string, domain: string): boolean {
  if (domain === '') return false;
  const name = hostname(host);
  return name === domain || name.endsWith(`.${domain}`);
}
