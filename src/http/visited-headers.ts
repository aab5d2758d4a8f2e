// The headers that a check may look at, read in one visit. uWebSockets.js takes as long for one header that is asked for by name
// as for one that is visited, and to know whether a header came twice every one has to be visited anyway.
import type { HeaderSource } from './exchange.js';
import { CHECK_HEADERS, COOKIE, type HeaderName } from './header-names.js';

const SLOTS: ReadonlyMap<string, number> = new Map(CHECK_HEADERS.map(({ text, slot }) => [text, slot]));

/** Of one request at a time, until its handler returns: what is to live longer is copied by `Snapshot.of`. */
export class VisitedHeaders implements HeaderSource {
  private source: HeaderSource | null = null;
  private readonly values = CHECK_HEADERS.map(() => '');
  private readonly times = new Uint32Array(CHECK_HEADERS.length);
  private readonly cookies: string[] = [];
  /** Name, value, name, value…: every header, because a copy of the request may be wanted. */
  private readonly all: string[] = [];
  private readonly see = (name: string, value: string): void => {
    this.all.push(name, value);
    const slot = SLOTS.get(name);
    if (slot === undefined) return;
    const before = this.times[slot] as number;
    this.times[slot] = before + 1;
    if (before === 0) this.values[slot] = value;
    // HTTP/2 lets a client split its cookies (RFC 9113 §8.2.3), and not every proxy joins them.
    if (slot === COOKIE.slot) this.cookies.push(value);
  };

  visit(source: HeaderSource): this {
    this.source = source;
    this.times.fill(0);
    this.cookies.length = 0;
    this.all.length = 0;
    source.forEach(this.see);
    return this;
  }

  /** How often a header came. */
  count(name: HeaderName): number {
    return this.times[name.slot] as number;
  }

  /** Every Cookie header; listeners limit how many headers there are. */
  cookieHeaders(): readonly string[] {
    return this.cookies;
  }

  get(name: HeaderName): string {
    return this.at(name.slot);
  }

  getHeader(name: string): string {
    const slot = SLOTS.get(name);
    return slot === undefined ? this.of().getHeader(name) : this.at(slot);
  }

  private at(slot: number): string {
    // The value of an earlier request may still be there.
    return this.times[slot] === 0 ? '' : (this.values[slot] as string);
  }

  forEach(visit: (name: string, value: string) => void): void {
    const { all } = this;
    for (let i = 0; i < all.length; i += 2) visit(all[i] as string, all[i + 1] as string);
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
