// Reads one document of an identity provider by node:http or node:https: the discovery document, which every worker asks for at its
// start. `fetch` would cost each of them 14 MiB of memory for it, and many never ask for more.
import type { IncomingMessage } from 'node:http';
import { AkproxError } from '../infra/errors.js';
import { MOST_BYTES, TIMEOUT, tooMuch, unreachable } from './transport.js';

export interface Document {
  readonly status: number;
  readonly text: string;
}

/** Redirects are not followed. Rejects with `idp_unreachable`, or `idp_rejected` when the answer is too long. */
export type ReadDocument = (url: string) => Promise<Document>;

/** `trust`: the setting that says whose certificates are trusted. */
export function readPlainly(ca: string | undefined, trust: string): ReadDocument {
  return async (url) => {
    try {
      const { get } = url.startsWith('https:')
        ? await import('node:https')
        : (await import('../infra/node-http.js')).nodeHttp;
      const signal = AbortSignal.timeout(TIMEOUT);
      // A connection of its own: nothing is left open.
      const options = { agent: false, signal, headers: HEADERS, ...(ca !== undefined && { ca }) };
      return await new Promise<Document>((resolve, reject) => {
        const asked = get(url, options, (res) => readWhole(res).then(resolve, reject));
        asked.on('error', reject);
      });
    } catch (error) {
      throw error instanceof AkproxError ? error : unreachable(url, trust, error);
    }
  };
}

const HEADERS = { Accept: 'application/json', 'User-Agent': 'akprox' };

async function readWhole(res: IncomingMessage): Promise<Document> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of res) {
    size += chunk.length;
    // Leaving the loop ends the connection.
    if (size > MOST_BYTES) throw tooMuch();
    chunks.push(chunk);
  }
  return { status: res.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') };
}
