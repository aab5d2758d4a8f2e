// Members of a token answer that are `null` count as absent: some identity providers write what they have not got that way, and openid-client
// refuses the whole answer for it.
import { isRecord } from '../infra/untyped.js';
import type { Transport } from './transport.js';

/** Hears of every answer of the token endpoint that is JSON, one that openid-client then refuses included. */
export type TokenListener = (answer: Readonly<Record<string, unknown>>) => void;

/** `transport`, with the answers of the token endpoint as if such members were not there. */
export function withoutNullMembers(
  transport: Transport,
  tokenEndpoint: string | undefined,
  heard: TokenListener = () => {},
): Transport {
  const href = tokenEndpoint !== undefined && URL.canParse(tokenEndpoint) ? new URL(tokenEndpoint).href : null;
  return async (url, init) => {
    const response = await transport(url, init);
    if (url !== href) return response;
    const text = await response.text();
    const { status, headers } = response;
    const body = parse(text);
    if (!isRecord(body)) return new Response(text === '' ? null : text, { status, headers });
    const answer = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
    heard(answer);
    return new Response(JSON.stringify(answer), { status, headers });
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
