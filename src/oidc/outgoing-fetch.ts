// How an identity provider is asked: Node's own `fetch`, unless the operator names a CA (`oidc.ca`) or there is a proxy.
import type { Dispatcher } from 'undici';
import { createDispatcher } from '../infra/dispatcher.js';
import { AkproxError } from '../infra/errors.js';
import { type OutgoingProxies, proxyFor } from '../infra/outgoing-proxy.js';
import { isTlsFault } from '../infra/tls-fault.js';

export interface OutgoingOptions {
  /** PEM; trusted in place of the CAs that Node.js brings. */
  readonly ca?: string | undefined;
  readonly proxies?: OutgoingProxies | undefined;
}

const CONNECT_TIMEOUT = 10_000;

export function outgoingFetch({ ca, proxies }: OutgoingOptions): typeof fetch {
  if (ca === undefined && proxies === undefined) return fetch;
  const tls = ca === undefined ? {} : { ca };
  /** By proxy, of which there are two at most. */
  const dispatchers = new Map<string, Promise<Dispatcher>>();
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const proxy = proxyFor(url, proxies);
    const made = dispatchers.get(proxy) ?? createDispatcher(url, { proxies, tls, connectTimeout: CONNECT_TIMEOUT });
    dispatchers.set(proxy, made);
    const undici = await import('undici');
    try {
      const options = { ...init, dispatcher: await made } as unknown as Parameters<typeof undici.fetch>[1];
      return (await undici.fetch(url, options)) as unknown as Response; // as far as transport.ts reads it
    } catch (error) {
      if (proxy === '' || isTlsFault(error)) throw error;
      const variable = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
      const text = `no answer from the identity provider at ${url.origin} by way of the proxy that ${variable} names`;
      throw new AkproxError('idp_unreachable', text, error);
    }
  };
}
