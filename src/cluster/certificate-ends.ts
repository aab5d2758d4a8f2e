// When the certificates of the HTTPS listener end, by the name that they are for. Read when somebody asks, and then only what has changed.
import { X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type { Config } from '../config/schema.js';

interface Known {
  /** Of the file: when it was changed, and its size. */
  readonly version: string;
  /** Unix milliseconds. */
  readonly end: number;
}

export class CertificateEnds {
  private known = new Map<string, Known>();

  /** Unix milliseconds by name, `listen.tls` for the listener's own. What cannot be read is left out: the log has it. */
  of({ listen, providers }: Pick<Config, 'listen' | 'providers'>): [name: string, end: number][] {
    if (listen.https === null) return [];
    const files: [string, string][] = [];
    for (const { origin, tls } of providers) if (tls !== undefined) files.push([origin.hostname, tls.cert]);
    if (listen.tls !== undefined) files.push(['listen.tls', listen.tls.cert]);
    const former = this.known;
    this.known = new Map();
    const ends = new Map<string, number>();
    for (const [name, path] of files) {
      const known = read(path, former.get(path));
      if (known === null) continue;
      this.known.set(path, known);
      ends.set(name, known.end);
    }
    return [...ends];
  }
}

function read(path: string, former: Known | undefined): Known | null {
  try {
    const { mtimeMs, size } = statSync(path);
    const version = `${mtimeMs} ${size}`;
    if (former?.version === version) return former;
    return { version, end: Date.parse(new X509Certificate(readFileSync(path)).validTo) };
  } catch {
    return null;
  }
}
