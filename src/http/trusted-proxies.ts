// Whose X-Forwarded-* headers are believed, for logs and for the host of paths other than checks. No verdict of a check
// depends on a client address, so an address that cannot be read is simply not trusted. Whoever asks over a unix socket has been
// let in by the mode of its file: it is a proxy of this host, and believed.
import ipaddr from 'ipaddr.js';
import { boundedMap } from '../infra/bounded-map.js';
import { copyString } from '../infra/copy-string.js';

/** Of a connection over a unix socket, which has no address; nothing that a client says can be this. */
export const UNIX_PEER = 'unix';

export interface TrustedProxies {
  trusts(peer: string): boolean;
  /** The client's address: X-Forwarded-For walked from the right as long as the speaker is trusted. */
  clientAddress(peer: string, forwardedFor: string): string;
}

export function createTrustedProxies(cidrs: readonly string[]): TrustedProxies {
  const ranges = cidrs.map((cidr) =>
    cidr.includes('/') ? ipaddr.parseCIDR(cidr) : ipaddr.parseCIDR(`${cidr}/${cidr.includes(':') ? 128 : 32}`),
  );
  const known = boundedMap<string, boolean>(1_024);

  function trusts(peer: string): boolean {
    if (peer === UNIX_PEER) return true;
    const cached = known.get(peer);
    if (cached !== undefined) return cached;
    const verdict = ipaddr.isValid(peer) && matches(ipaddr.process(peer), ranges);
    known.set(copyString(peer), verdict);
    return verdict;
  }

  return {
    trusts,
    clientAddress(peer, forwardedFor) {
      let client = peer;
      for (const hop of forwardedFor.split(',').slice(-32).reverse()) {
        if (!trusts(client) || !ipaddr.isValid(hop.trim())) break;
        client = hop.trim();
      }
      return shownAddress(client);
    },
  };
}

/** IPv4 as IPv4: to a socket on `[::]`, it is a part of IPv6. */
export function shownAddress(address: string): string {
  return ipaddr.isValid(address) ? ipaddr.process(address).toString() : address;
}

function matches(address: ipaddr.IPv4 | ipaddr.IPv6, ranges: readonly [ipaddr.IPv4 | ipaddr.IPv6, number][]): boolean {
  return ranges.some(([network, bits]) => network.kind() === address.kind() && address.match([network, bits] as never));
}
