// `HOST:PORT`, as settings and options have it: listeners, nodes of Redis, where the doctor connects.

export interface HostPort {
  /** A name or an address; IPv6 without its brackets. */
  readonly host: string;
  /** Up to five digits: whether there is such a port is for the caller to say, in its own words. */
  readonly port: number;
}

/** Null unless `text` is a host, a colon and digits; IPv6 wants brackets. */
export function parseHostPort(text: string): HostPort | null {
  const [, ipv6, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = ipv6 ?? name;
  return host === undefined ? null : { host, port: Number(port) };
}

/** Of a setting that has been checked. */
export function hostPortOf(setting: string): HostPort {
  const parsed = parseHostPort(setting);
  if (parsed === null) throw new Error(`expected HOST:PORT, found ${JSON.stringify(setting)}`);
  return parsed;
}
