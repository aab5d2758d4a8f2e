// Members of a token answer that are `null` count as absent: some identity providers write what they have not got that way, and openid-client
// refuses the whole answer for it.
import { isRecord } from '../infra/untyped.js';
import type { Transport } from './transport.js';

/** `transport`, with the answers of the token endpoint as if such members were not there. */
export function withoutNullMembers(transport: Transport, tokenEndpoint: string | undefined): Transport {
  const href = tokenEndpoint !== undefined && URL.canParse(tokenEndpoint) ? new URL(tokenEndpoint).href : null;
  return async (url, init) => {
    const response = await transport(url, init);
    if (url !== href) return response;
    const text = await response.text();
    const { status, headers } = response;
    return new Response(text === '' ? null : dropNulls(text), { status, headers });
  };
}

function dropNulls(text: string): string {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return text;
  }
  return isRecord(body)
    ? JSON.stringify(Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null)))
    : text;
}
