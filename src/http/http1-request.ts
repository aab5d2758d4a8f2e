// node:http's request, as a check reads it.
import type http from 'node:http';
import type { HeaderName } from './header-names.js';
import type { NodeRequest } from './node-work.js';
import type { RequestBody } from './request-body.js';

export class Http1Request implements NodeRequest {
  private readonly req: http.IncomingMessage;
  private readonly body: RequestBody;
  private readonly peerOf: (req: http.IncomingMessage) => string;
  private readonly url: string;
  private readonly query: string;

  constructor(req: http.IncomingMessage, body: RequestBody, peerOf: (req: http.IncomingMessage) => string) {
    const target = req.url ?? '/';
    const mark = target.indexOf('?');
    this.req = req;
    this.body = body;
    this.peerOf = peerOf;
    this.url = mark === -1 ? target : target.slice(0, mark);
    this.query = mark === -1 ? '' : target.slice(mark + 1);
  }

  get({ text }: HeaderName): string {
    return this.getHeader(text);
  }

  /** Not from `req.headers`: there several of a name are one, or the first is the only one. */
  getHeader(name: string): string {
    const { rawHeaders } = this.req;
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const written = rawHeaders[i] as string;
      if (written.length === name.length && written.toLowerCase() === name) return rawHeaders[i + 1] as string;
    }
    return '';
  }

  forEach(visit: (name: string, value: string) => void): void {
    const { rawHeaders } = this.req;
    for (let i = 0; i < rawHeaders.length; i += 2) visit(rawHeaders[i]?.toLowerCase() ?? '', rawHeaders[i + 1] ?? '');
  }

  getMethod(): string {
    return this.req.method ?? 'GET';
  }

  getUrl(): string {
    return this.url;
  }

  getQuery(): string {
    return this.query;
  }

  peer(): string {
    return this.peerOf(this.req);
  }

  text(): Promise<string | null> {
    return this.body.text();
  }

  kept(): this {
    return this;
  }
}
