// One HTTP exchange with authentik core: ten seconds, a bounded answer, redirects not followed. By undici, because `fetch` can
// neither set `Host` nor leave the verification of one call's certificate out. It is loaded when core is first asked: a worker
// without providers of authentik never needs it.
import type { Agent, Dispatcher } from 'undici';

export interface CoreRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Takes any certificate (AUTHENTIK_INSECURE). */
  readonly insecure: boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CoreAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
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

/** Rejects with a `CoreRequestError`. */
export async function coreRequest(url: URL, options: CoreRequest): Promise<CoreAnswer> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? CORE_TIMEOUT);
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const undici = await import('undici');
  const dispatcher = createAgent(undici.Agent, options.insecure);
  // Not as `signal` of the request: that is looked at only once there is a connection.
  const abort = (): void => void dispatcher.destroy(asError(signal.reason));
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    const { statusCode, headers, body } = await undici.request(url, {
      dispatcher,
      method: options.method as Dispatcher.HttpMethod,
      headers: { ...options.headers },
      body: options.body ?? null,
    });
    return { status: statusCode, headers, body: Buffer.from(await body.arrayBuffer()) };
  } catch (error) {
    throw asFault(error, timeout.aborted);
  } finally {
    signal.removeEventListener('abort', abort);
    void dispatcher.destroy();
  }
}

/** For one exchange, as a connection that is kept may be closed by the server just now, which would fail the next one. */
function createAgent(make: typeof Agent, insecure: boolean): Agent {
  return new make({
    pipelining: 0,
    maxResponseSize: MOST_BYTES,
    // The signal bounds it all.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { rejectUnauthorized: !insecure, timeout: CORE_TIMEOUT },
  });
}

function asFault(error: unknown, timedOut: boolean): CoreRequestError {
  if (timedOut) return new CoreRequestError('timeout', 'no answer in time', error);
  if (codeOf(error) === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') {
    return new CoreRequestError('too_large', 'the answer is larger than 16 MiB', error);
  }
  return isTlsFault(error)
    ? new CoreRequestError('tls', 'TLS', error)
    : new CoreRequestError('unreachable', 'no connection', error);
}

/** OpenSSL's verification results have names of their own; everything else about TLS says so in its code. */
export function isTlsFault(error: unknown): boolean {
  return /^(ERR_TLS_|ERR_SSL_|CERT_|CRL_|UNABLE_TO_|EPROTO$)|SELF_SIGNED_CERT|INVALID_CA|HOSTNAME_MISMATCH/.test(
    codeOf(error),
  );
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
