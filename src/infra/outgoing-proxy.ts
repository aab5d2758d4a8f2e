// By way of which proxy something is asked: HTTPS_PROXY, HTTP_PROXY and NO_PROXY as Go's programs read them, authentik's own outpost
// among them. undici has an agent that reads them too, but says on standard error that it is an experiment, takes `company.tld` in
// NO_PROXY for that one host, and knows no networks.
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

export interface OutgoingProxies {
  /** URLs of proxies; '' when there is none for that scheme. */
  readonly http: string;
  readonly https: string;
  /** What is asked without one: `*`, hosts with all that is below them, addresses, networks, each with a port or without. */
  readonly except: readonly string[];
}

/** The URL of the proxy to ask; '' without one. A websocket is asked for as its scheme without `ws` would be. */
export function proxyFor(url: URL, proxies: OutgoingProxies | undefined): string {
  if (proxies === undefined) return '';
  const secure = url.protocol === 'https:' || url.protocol === 'wss:';
  const proxy = secure ? proxies.https : proxies.http;
  if (proxy === '') return '';
  const host = url.hostname.replace(/^\[|\]$|\.$/g, '');
  const address = isIP(host) === 0 ? null : ipaddr.process(host);
  if (host === 'localhost' || address?.range() === 'loopback') return '';
  const port = url.port || (secure ? '443' : '80');
  return proxies.except.some((entry) => covers(entry.toLowerCase(), host, port, address)) ? '' : proxy;
}

type Address = ReturnType<typeof ipaddr.process>;

function covers(entry: string, host: string, port: string, address: Address | null): boolean {
  if (entry === '*') return true;
  if (ipaddr.isValidCIDR(entry)) {
    const [network, bits] = ipaddr.parseCIDR(entry);
    return address !== null && address.kind() === network.kind() && address.match(network, bits);
  }
  const [, bracketed, plain = entry, only] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
  if (only !== undefined && only !== port) return false;
  const name = bracketed ?? plain;
  if (isIP(name) !== 0) return address !== null && ipaddr.process(name).toString() === address.toString();
  if (address !== null) return false;
  // `*.company.tld` and `.company.tld` are what is below it; `company.tld` is that host too.
  const suffix = name.replace(/^\*(?=\.)/, '');
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}
