// The one way out to an identity provider: ten seconds and one MiB per answer, redirects not followed, and every network
// fault an `idp_unreachable`. openid-client and jose both speak through it.
import { AkproxError } from '../infra/errors.js';
import { isTlsFault } from '../infra/tls-fault.js';

export const TIMEOUT = 10_000;
export const MOST_BYTES = 1_048_576;

interface TransportInit {
  readonly method: string;
  readonly headers: Record<string, string> | Headers;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

export type Transport = (url: string, init: TransportInit) => Promise<Response>;

/** `trust`: the setting that says whose certificates are trusted. */
export function createTransport(fetchImplementation: typeof fetch, trust: string): Transport {
  return async (url, init) => {
    const timeout = AbortSignal.timeout(TIMEOUT);
    const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
    try {
      const response = await fetchImplementation(url, {
        method: init.method,
        headers: init.headers,
        body: (init.body ?? null) as RequestInit['body'] & null,
        redirect: 'manual',
        signal,
      });
      const body = await readBounded(response);
      return makeResponse(response.status, response.headers, body);
    } catch (error) {
      throw error instanceof AkproxError ? error : unreachable(url, trust, error);
    }
  };
}

/** `trust`: the setting that says whose certificates are trusted. */
export function unreachable(url: string, trust: string, cause: unknown): AkproxError {
  const { origin } = new URL(url);
  const text = isTlsFault(cause)
    ? `TLS with the identity provider at ${origin} failed: its certificate is of no CA that is trusted here (${trust}), or is not for that name, or it does not speak https`
    : `no answer from the identity provider at ${origin}`;
  return new AkproxError('idp_unreachable', text, cause);
}

export function tooMuch(): AkproxError {
  return new AkproxError('idp_rejected', 'the identity provider sent an answer of more than 1 MiB');
}

/** `Response` refuses a body, even an empty one, for a status that has none. */
export function makeResponse(status: number, headers: Headers, body: Uint8Array<ArrayBuffer>): Response {
  const bodiless = [101, 204, 205, 304].includes(status);
  return new Response(bodiless ? null : body, { status, headers });
}

/** Counts what comes out of the decompressor, so that a small answer cannot become a large one. */
async function readBounded(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    // Leaving the loop cancels the stream.
    if (size > MOST_BYTES) throw tooMuch();
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
