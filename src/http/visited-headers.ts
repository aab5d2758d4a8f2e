// The headers that a check may look at, read in one visit. uWebSockets.js takes as long for one header that is asked for by name
// as for one that is visited, and to know whether a header came twice every one has to be visited anyway.
import type { HeaderSource } from './exchange.js';

const NAMES = [
  'host',
  'x-forwarded-host',
  'x-forwarded-uri',
  'x-forwarded-method',
  'x-forwarded-proto',
  'x-original-url',
  'x-original-uri',
  'x-original-method',
  'cookie',
  'authorization',
  'sec-fetch-mode',
  'x-requested-with',
  'accept',
  'origin',
  'access-control-request-method',
];
const SLOTS: ReadonlyMap<string, number> = new Map(NAMES.map((name, slot) => [name, slot]));
const COOKIE = NAMES.indexOf('cookie');
/** HTTP/2 lets a client split its cookies (RFC 9113 §8.2.3), and not every proxy joins them. */
const MOST_COOKIE_HEADERS = 16;

/** Of one request at a time, until its handler returns: what is to live longer is copied by `Snapshot.of`. */
export class VisitedHeaders implements HeaderSource {
  private source: HeaderSource | null = null;
  private readonly values = NAMES.map(() => '');
  private readonly times = NAMES.map(() => 0);
  private readonly cookies: string[] = [];
  private readonly see = (name: string, value: string): void => {
    const slot = SLOTS.get(name);
    if (slot === undefined) return;
    const before = this.times[slot] as number;
    this.times[slot] = before + 1;
    if (before === 0) this.values[slot] = value;
    if (slot === COOKIE && before < MOST_COOKIE_HEADERS) this.cookies.push(value);
  };

  visit(source: HeaderSource): this {
    this.source = source;
    this.values.fill('');
    this.times.fill(0);
    this.cookies.length = 0;
    source.forEach(this.see);
    return this;
  }

  /** How often a header came. Only names that a check looks at are counted. */
  count(name: string): number {
    const slot = SLOTS.get(name);
    if (slot === undefined) throw new Error(`${name} is not counted`);
    return this.times[slot] as number;
  }

  /** Every Cookie header, at most 16 of them. */
  cookieHeaders(): readonly string[] {
    return this.cookies;
  }

  getHeader(name: string): string {
    const slot = SLOTS.get(name);
    return slot === undefined ? this.of().getHeader(name) : (this.values[slot] as string);
  }

  forEach(visit: (name: string, value: string) => void): void {
    this.of().forEach(visit);
  }

  getMethod(): string {
    return this.of().getMethod();
  }

  getUrl(): string {
    return this.of().getUrl();
  }

  getQuery(): string | undefined {
    return this.of().getQuery();
  }

  private of(): HeaderSource {
    if (this.source === null) throw new Error('no request was visited');
    return this.source;
  }
}
