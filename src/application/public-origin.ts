// Reads the two settings that decide whose cookie goes where, from the file and from authentik, once on their way in. Strict on
// purpose: `new URL` alone would accept and quietly change `https:host`, a backslash or an address written as one number, and we
// would protect another host than was meant.
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { isDomainName, parseHost, stripDefaultPort } from './host.js';

export interface PublicOrigin {
  /** `https://host[:port]`: lower case, no default port, no trailing slash or dot. */
  readonly origin: string;
  /** `host[:port]` of it. */
  readonly host: string;
  readonly hostname: string;
  /** https. */
  readonly secure: boolean;
}

/** Undefined unless `text` is an http(s) origin; a lone trailing slash is taken for nothing. */
export function parseOrigin(text: string): PublicOrigin | undefined {
  const [, authority] = /^https?:\/\/([^\s/?#@\\]+)\/?$/i.exec(text) ?? [];
  if (authority === undefined || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  const hostname = url.hostname.replace(/\.$/, '');
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, '')) !== 0;
  // `https://2130706433` parses to 127.0.0.1: an address counts only where one was written.
  if (isAddress ? !authority.toLowerCase().startsWith(hostname) : !isDomainName(hostname)) return undefined;
  const host = url.port === '' ? hostname : `${hostname}:${url.port}`;
  return { origin: `${url.protocol}//${host}`, host, hostname, secure: url.protocol === 'https:' };
}

/** Whether `raw`, a host as somebody sent it, is the origin's own. */
export function isHostOf({ host, secure }: PublicOrigin, raw: string): boolean {
  const sent = parseHost(raw);
  return sent !== null && stripDefaultPort(sent, secure ? 'https' : 'http') === host;
}

/** Lower case, ASCII, without the leading dot of old cookie specifications; undefined unless it is a domain name. */
export function parseCookieDomain(text: string): string | undefined {
  // `domainToASCII` would cut `company.tld/x` short instead of refusing it.
  if (/[\s/?#@:\\]/.test(text)) return undefined;
  const domain = domainToASCII(text.replace(/^\./, '')).toLowerCase();
  return isIP(domain) === 0 && isDomainName(domain) ? domain : undefined;
}
