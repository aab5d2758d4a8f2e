// The files of certificates and keys that the HTTPS listener shows, which change in place while the daemon runs.
import { X509Certificate } from 'node:crypto';
import type { ReadFile } from './environment.js';
import type { Config } from './schema.js';

/** Absolute paths; none where HTTPS is off. */
export function certificateFiles({ listen, providers }: Pick<Config, 'listen' | 'providers'>): ReadonlySet<string> {
  if (listen.https === null) return new Set();
  const pairs = [listen.tls, ...providers.map(({ tls }) => tls)];
  return new Set(pairs.flatMap((pair) => (pair === undefined ? [] : [pair.cert, pair.key])));
}

/** A warning for each that counts no more: clients that verify it refuse it, and the others go on as if nothing were. */
export function endedCertificates(
  { listen, providers }: Pick<Config, 'listen' | 'providers'>,
  readFile: ReadFile,
  now: number,
): string[] {
  if (listen.https === null) return [];
  const pairs = [
    { path: 'listen.tls', pair: listen.tls },
    ...providers.map(({ tls }, index) => ({ path: `providers[${index}].tls`, pair: tls })),
  ];
  return pairs.flatMap(({ path, pair }) => {
    if (pair === undefined) return [];
    const end = endOf(readFile(pair.cert));
    if (end === null || end > now) return [];
    const day = new Date(end).toISOString().slice(0, 10);
    return [`${path}.cert ended on ${day}: renew it; akprox takes a new file without a restart`];
  });
}

/** Unix milliseconds; null for what the listener can use and this cannot read. */
function endOf(pem: string): number | null {
  try {
    const end = Date.parse(new X509Certificate(pem).validTo);
    return Number.isNaN(end) ? null : end;
  } catch {
    return null;
  }
}
