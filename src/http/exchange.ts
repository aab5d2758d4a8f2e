// What a request is to the rest of the code, whichever listener it came in on, and what an answer is.

import type { HeaderName } from './header-names.js';

/** How headers are read; '' when absent, the first of several. */
export interface HeaderSource {
  /** HOT PATH. */
  get(name: HeaderName): string;
  getHeader(lowerCaseName: string): string;
  forEach(visit: (lowerCaseName: string, value: string) => void): void;
  /** Lower or upper case, as the listener has it. */
  getMethod(): string;
  /** The path as sent, without query. */
  getUrl(): string;
  /** Without `?`; '' or undefined when there is none. */
  getQuery(): string | undefined;
}

/** A request that outlives its handler: everything is copied, because uWebSockets.js' request is dead after the first await. */
export class Snapshot implements HeaderSource {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Address of the TCP peer. */
  readonly peer: string;
  /** Name, value, name, value… */
  private readonly headers: readonly string[];

  private constructor(method: string, path: string, query: string, peer: string, headers: readonly string[]) {
    this.method = method;
    this.path = path;
    this.query = query;
    this.peer = peer;
    this.headers = headers;
  }

  static of(source: HeaderSource, peer: string): Snapshot {
    const headers: string[] = [];
    source.forEach((name, value) => {
      headers.push(name, value);
    });
    return new Snapshot(source.getMethod().toUpperCase(), source.getUrl(), source.getQuery() ?? '', peer, headers);
  }

  /** The same headers for another request line: how an in-band handler sees the forward URL. */
  withTarget(method: string, path: string, query: string): Snapshot {
    return new Snapshot(method, path, query, this.peer, this.headers);
  }

  get(name: HeaderName): string {
    return this.getHeader(name.text);
  }

  getHeader(name: string): string {
    const { headers } = this;
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return headers[i + 1] as string;
    return '';
  }

  getHeaders(name: string): string[] {
    return this.headers.filter((_, i) => i % 2 === 1 && this.headers[i - 1] === name);
  }

  forEach(visit: (name: string, value: string) => void): void {
    const { headers } = this;
    for (let i = 0; i < headers.length; i += 2) visit(headers[i] as string, headers[i + 1] as string);
  }

  getMethod(): string {
    return this.method;
  }

  getUrl(): string {
    return this.path;
  }

  getQuery(): string {
    return this.query;
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

export const NO_STORE = ['Cache-Control', 'no-store'] as const;

export function redirect(
  location: string,
  cookies: readonly string[] = [],
  extra: readonly (readonly [string, string])[] = [],
): Reply {
  return {
    status: 302,
    headers: [['Location', location], NO_STORE, ...extra, ...cookies.map((cookie) => ['Set-Cookie', cookie] as const)],
    body: '',
  };
}

export function json(status: number, value: unknown, extra: readonly (readonly [string, string])[] = []): Reply {
  return {
    status,
    headers: [['Content-Type', 'application/json'], NO_STORE, ...extra],
    body: `${JSON.stringify(value)}\n`,
  };
}

export function empty(status: number, extra: readonly (readonly [string, string])[] = []): Reply {
  return { status, headers: [NO_STORE, ...extra], body: '' };
}

export const INTERNAL: Reply = json(500, {
  error: 'internal',
  message: 'the outpost failed to answer; its log says why',
});
