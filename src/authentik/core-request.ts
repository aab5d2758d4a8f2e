// One HTTP exchange with authentik core: ten seconds, a bounded answer, redirects not followed. On node:http and not on
// `fetch`, which can neither set `Host` nor leave the verification of one call's certificate out.
import { request as httpRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';

export interface CoreRequest {
  readonly method: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: string | Uint8Array | undefined;
  /** Takes any certificate (AUTHENTIK_INSECURE). */
  readonly insecure: boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CoreAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What a fault was, for the message that names the setting to look at. */
export type CoreFault = 'unreachable' | 'timeout' | 'tls' | 'too_large';

export class CoreRequestError extends Error {
  readonly fault: CoreFault;

  constructor(fault: CoreFault, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.fault = fault;
    this.name = 'CoreRequestError';
  }
}

const CORE_TIMEOUT = 10_000;
/** A hundred providers with long allow-lists are well below a tenth of it. */
const MOST_BYTES = 16 * 1_048_576;

export function coreRequest(url: URL, options: CoreRequest): Promise<CoreAnswer> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? CORE_TIMEOUT);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const body = options.body === undefined ? undefined : Buffer.from(options.body);
  const headers = { ...options.headers, ...(body && { 'Content-Length': body.byteLength }) };
  // A connection of its own: a kept one that the server closes just now would fail the request.
  const common = { method: options.method, headers, signal, agent: false } as const;
  return new Promise<CoreAnswer>((resolve, reject) => {
    const fail = (error: unknown): void => reject(asFault(error, timeout.aborted));
    const req =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...common, rejectUnauthorized: !options.insecure })
        : httpRequest(url, common);
    req.on('error', fail);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      let size = 0;
      res.on('data', (chunk: Buffer) => {
        size += chunk.byteLength;
        if (size > MOST_BYTES) req.destroy(new CoreRequestError('too_large', 'the answer is larger than 16 MiB'));
        else chunks.push(chunk);
      });
      res.on('error', fail);
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) }));
    });
    req.end(body);
  });
}

function asFault(error: unknown, timedOut: boolean): CoreRequestError {
  if (error instanceof CoreRequestError) return error;
  if (timedOut) return new CoreRequestError('timeout', 'no answer in time', error);
  return isTlsFault(error)
    ? new CoreRequestError('tls', 'TLS', error)
    : new CoreRequestError('unreachable', 'no connection', error);
}

/** OpenSSL's verification results have names of their own; everything else about TLS says so in its code. */
export function isTlsFault(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|EPROTO$)|SELF_SIGNED_CERT|INVALID_CA|HOSTNAME_MISMATCH/.test(code);
}
