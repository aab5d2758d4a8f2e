// node:http2's request, as a check reads it. What HTTP/2 says in its own way is told as HTTP/1.1 has it (RFC 9113 §8.3.1 and §8.2.3):
// `:authority` is the host, and a cookie that was cut into pieces is one again.
import type { IncomingHttpHeaders } from 'node:http2';
import { COOKIE, type HeaderName, HOST } from './header-names.js';
import type { NodeRequest } from './node-work.js';
import type { RequestBody } from './request-body.js';

/** Whom a session is with; asked for when it is needed, because Node.js takes long to say it. */
export interface Peer {
  peer(): string;
}

/** A listener reads all of its requests through one of these, because handlers run one after the other; `kept` for what lasts longer. */
export class Http2Request implements NodeRequest {
  private headers: IncomingHttpHeaders = NO_HEADERS;
  private raw: readonly string[] = [];
  private from: Peer = NOBODY;
  private body: RequestBody | null = null;
  private target = '';
  private mark = -1;

  /** `raw`: names and values in turn. `body`: null when none was announced. */
  of(headers: IncomingHttpHeaders, raw: readonly string[], from: Peer, body: RequestBody | null): this {
    this.headers = headers;
    this.raw = raw;
    this.from = from;
    this.body = body;
    this.target = headers[':path'] ?? '';
    this.mark = this.target.indexOf('?');
    return this;
  }

  kept(): Http2Request {
    return new Http2Request().of(this.headers, this.raw, this.from, this.body);
  }

  /** HOT PATH. Characters of names and values. */
  headLength(): number {
    let length = 0;
    for (let i = 0; i < this.raw.length; i += 1) length += (this.raw[i] as string).length;
    return length;
  }

  /** Two names for the host: which of them somebody else believed, nobody can say. */
  contradictsItself(): boolean {
    const { host } = this.headers;
    return host !== undefined && this.headers[':authority'] !== undefined && host !== this.headers[':authority'];
  }

  /** Several of a name come joined, or the first of them where there can be only one. */
  get(name: HeaderName): string {
    if (name === HOST) return this.host();
    const value = this.headers[name.text];
    return typeof value === 'string' ? value : '';
  }

  getHeader(name: string): string {
    if (name === HOST.text) return this.host();
    const value = name.startsWith(':') ? undefined : this.headers[name];
    return typeof value === 'string' ? value : '';
  }

  private host(): string {
    return this.headers[':authority'] ?? this.headers.host ?? '';
  }

  forEach(visit: (name: string, value: string) => void): void {
    const { raw, headers } = this;
    if (headers[':authority'] !== undefined) visit(HOST.text, headers[':authority']);
    if (headers.cookie !== undefined) visit(COOKIE.text, headers.cookie);
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string;
      if (name.startsWith(':') || name === COOKIE.text) continue;
      if (name === HOST.text && headers[':authority'] !== undefined) continue;
      visit(name, raw[i + 1] as string);
    }
  }

  getMethod(): string {
    return this.headers[':method'] ?? '';
  }

  getUrl(): string {
    return this.mark === -1 ? this.target : this.target.slice(0, this.mark);
  }

  getQuery(): string {
    return this.mark === -1 ? '' : this.target.slice(this.mark + 1);
  }

  peer(): string {
    return this.from.peer();
  }

  text(): Promise<string | null> {
    return this.body === null ? Promise.resolve('') : this.body.text();
  }
}

const NO_HEADERS: IncomingHttpHeaders = {};
const NOBODY: Peer = { peer: () => '' };
