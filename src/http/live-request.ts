// uWebSockets.js' request, as the check reads it.
import type { HeaderSource } from './exchange.js';
import type { HeaderName } from './header-names.js';

/** uWebSockets.js' HttpRequest, as far as it is read. */
export interface RawRequest {
  getHeader(name: string | ArrayBuffer): string;
  forEach(visit: (name: string, value: string) => void): void;
  getMethod(): string;
  getCaseSensitiveMethod(): string;
  getUrl(): string;
  getQuery(): string | undefined;
}

/** Alive while its handler runs; a server has one, because handlers run one after the other. `Snapshot.of` is for what lasts longer. */
export class LiveRequest implements HeaderSource {
  private req = undefined as unknown as RawRequest;

  of(req: RawRequest): this {
    this.req = req;
    return this;
  }

  get(name: HeaderName): string {
    return this.req.getHeader(name.bytes);
  }

  getHeader(lowerCaseName: string): string {
    return this.req.getHeader(lowerCaseName);
  }

  forEach(visit: (lowerCaseName: string, value: string) => void): void {
    this.req.forEach(visit);
  }

  getMethod(): string {
    return this.req.getMethod();
  }

  /** Methods are case-sensitive (RFC 9110 §9.1): the answer to `head` has a body. */
  isHead(): boolean {
    return this.req.getCaseSensitiveMethod() === 'HEAD';
  }

  getUrl(): string {
    return this.req.getUrl();
  }

  getQuery(): string | undefined {
    return this.req.getQuery();
  }
}
