// The files of certificates and keys that the HTTPS listener shows, which change in place while the daemon runs.
import type { Config } from './schema.js';

/** Absolute paths; none where HTTPS is off. */
export function certificateFiles({ listen, providers }: Pick<Config, 'listen' | 'providers'>): ReadonlySet<string> {
  if (listen.https === null) return new Set();
  const pairs = [listen.tls, ...providers.map(({ tls }) => tls)];
  return new Set(pairs.flatMap((pair) => (pair === undefined ? [] : [pair.cert, pair.key])));
}
