// How an OIDC client talks to authentik instead of by discovery: the endpoints come from core, and the calls to them may
// have to name the public host and go without the verification of a certificate.
import type { AuthentikProviderFacts } from '../config/schema.js';
import type { OutgoingProxies } from '../infra/outgoing-proxy.js';
import type { OidcClientOptions } from '../oidc/client.js';
import { makeResponse } from '../oidc/transport.js';
import { coreRequest } from './core-request.js';

/** To be spread into the options of `createOidcClient`; empty for a provider from the file. */
export function oidcOptionsOf(
  facts: AuthentikProviderFacts | undefined,
  proxies?: OutgoingProxies,
): Pick<OidcClientOptions, 'metadata' | 'fetch' | 'claimsFrom'> {
  if (facts === undefined) return {};
  const metadata = {
    ...facts.metadata,
    ...(facts.metadata.id_token_signing_alg_values_supported && {
      id_token_signing_alg_values_supported: [...facts.metadata.id_token_signing_alg_values_supported],
    }),
  };
  return { metadata, fetch: backChannelFetch(facts, proxies), claimsFrom: 'access_token' };
}

/** `fetch` as far as `oidc/transport.ts` uses it: a URL, method, headers, a form, a signal; never a redirect. */
function backChannelFetch(facts: AuthentikProviderFacts, proxies: OutgoingProxies | undefined): typeof fetch {
  const { metadata, back_channel: called } = facts;
  const named = new Set(
    [metadata.token_endpoint, metadata.introspection_endpoint].flatMap((url) => (url ? [new URL(url).href] : [])),
  );
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = Object.fromEntries(new Headers(init.headers));
    const override = called && named.has(url.href) ? { Host: called.host, 'X-Forwarded-Proto': called.proto } : {};
    const answer = await coreRequest(url, {
      method: init.method ?? 'GET',
      headers: { ...headers, ...override },
      body: init.body === undefined || init.body === null ? undefined : String(init.body),
      insecure: facts.insecure,
      proxies,
      signal: init.signal ?? undefined,
    });
    const fields = new Headers();
    for (const [name, value] of Object.entries(answer.headers)) {
      for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) fields.append(name, one);
    }
    return makeResponse(answer.status, fields, new Uint8Array(answer.body));
  };
}
