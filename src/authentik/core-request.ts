// One HTTP exchange with authentik core: ten seconds, a bounded answer, redirects not followed. By undici, because `fetch` can
// neither set `Host` nor leave the verification of one call's certificate out. It is loaded when core is first asked: a worker
// without providers of authentik never needs it.
import type { Dispatcher } from 'undici';
import { createDispatcher } from '../infra/dispatcher.js';
import type { OutgoingProxies } from '../infra/outgoing-proxy.js';
import { isTlsFault } from '../infra/tls-fault.js';

export interface CoreRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** Takes any certificate (AUTHENTIK_INSECURE). */
  readonly insecure: boolean;
  readonly proxies: OutgoingProxies | undefined;
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
  // For one exchange, as a connection that is kept may be closed by the server just now, which would fail the next one.
  const dispatcher = await createDispatcher(url, {
    proxies: options.proxies,
    tls: { rejectUnauthorized: !options.insecure },
    connectTimeout: CORE_TIMEOUT,
    // The signal bounds it all.
    agent: { pipelining: 0, headersTimeout: 0, bodyTimeout: 0 },
  });
  const { request } = await import('undici');
  // Not as `signal` of the request: that is looked at only once there is a connection.
  const abort = (): void => void dispatcher.destroy(asError(signal.reason));
  signal.addEventListener('abort', abort, { once: true });
  try {
    signal.throwIfAborted();
    const { statusCode, headers, body } = await request(url, {
      dispatcher,
      method: options.method as Dispatcher.HttpMethod,
      headers: { ...options.headers },
      body: options.body ?? null,
    });
    return { status: statusCode, headers, body: await readBounded(body) };
  } catch (error) {
    throw asFault(error, timeout.aborted);
  } finally {
    signal.removeEventListener('abort', abort);
    void dispatcher.destroy();
  }
}

async function readBounded(body: Dispatcher.ResponseData['body']): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    // Leaving the loop destroys the stream.
    if (size > MOST_BYTES) throw new CoreRequestError('too_large', 'the answer is larger than 16 MiB');
  }
  return Buffer.concat(chunks);
}

function asFault(error: unknown, timedOut: boolean): CoreRequestError {
  if (timedOut) return new CoreRequestError('timeout', 'no answer in time', error);
  if (error instanceof CoreRequestError) return error;
  return isTlsFault(error)
    ? new CoreRequestError('tls', 'TLS', error)
    : new CoreRequestError('unreachable', 'no connection', error);
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
