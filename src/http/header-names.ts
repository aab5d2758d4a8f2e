// The headers that a check may look at. Each name is kept as bytes too: uWebSockets.js takes half as long to find a header by
// an ArrayBuffer as by a string, and a hit asks for four.

export class HeaderName {
  readonly text: string;
  readonly slot: number;
  /** For `HttpRequest.getHeader`. */
  readonly bytes: ArrayBuffer;

  /** `text`: lower case. `slot`: its place in `CHECK_HEADERS`. */
  constructor(text: string, slot: number) {
    this.text = text;
    this.slot = slot;
    this.bytes = new Uint8Array(Buffer.from(text, 'latin1')).buffer;
  }
}

const all: HeaderName[] = [];

function named(text: string): HeaderName {
  const name = new HeaderName(text, all.length);
  all.push(name);
  return name;
}

export const HOST = named('host');
export const X_FORWARDED_HOST = named('x-forwarded-host');
export const X_FORWARDED_URI = named('x-forwarded-uri');
export const X_FORWARDED_METHOD = named('x-forwarded-method');
export const X_FORWARDED_PROTO = named('x-forwarded-proto');
export const X_ORIGINAL_URL = named('x-original-url');
export const X_ORIGINAL_URI = named('x-original-uri');
export const X_ORIGINAL_METHOD = named('x-original-method');
export const COOKIE = named('cookie');
export const AUTHORIZATION = named('authorization');
export const SEC_FETCH_MODE = named('sec-fetch-mode');
export const X_REQUESTED_WITH = named('x-requested-with');
export const ACCEPT = named('accept');
export const ORIGIN = named('origin');
export const ACCESS_CONTROL_REQUEST_METHOD = named('access-control-request-method');
export const CONTENT_LENGTH = named('content-length');
export const TRANSFER_ENCODING = named('transfer-encoding');

/** In the order of their slots. */
export const CHECK_HEADERS: readonly HeaderName[] = all;
