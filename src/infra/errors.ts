// Every error this daemon makes carries a stable code and, where another error caused it, that cause.
// Library errors are translated where the library is called; `http/pages.ts` is the one place that turns a code into HTTP.

/** Stable codes. `status` is what a browser or a proxy gets when the error ends a request. */
export const ERROR_CODES = {
  config_invalid: { status: 500 },
  listen_failed: { status: 500 },
  worker_unusable: { status: 500 },
  store_unusable: { status: 500 },
  store_unavailable: { status: 503 },
  idp_unreachable: { status: 503 },
  idp_failed: { status: 502 },
  idp_rejected: { status: 502 },
  token_invalid: { status: 502 },
  login_denied: { status: 403 },
  login_refused: { status: 400 },
  login_insufficient: { status: 403 },
  login_expired: { status: 400 },
  login_unknown: { status: 400 },
  request_invalid: { status: 400 },
  internal: { status: 500 },
} as const satisfies Record<string, { status: number }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** `message` is for the log and for operators: it never holds a secret, a token, a cookie or personal data. */
export class AkproxError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'AkproxError';
    this.code = code;
  }
}

/** The messages of an error and its causes, outermost first: `a: b: c`. At most 500 characters. */
export function explain(error: unknown): string {
  const parts: string[] = [];
  for (let e: unknown = error, depth = 0; e !== undefined && e !== null && depth < 5; depth += 1) {
    parts.push(e instanceof Error ? e.message || e.name : String(e));
    e = e instanceof Error ? e.cause : undefined;
  }
  return parts
    .filter((part, i) => part !== '' && parts.indexOf(part) === i)
    .join(': ')
    .slice(0, 500);
}
