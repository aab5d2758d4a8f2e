// What undici sends a request by: straight to the host, or by way of a proxy. undici is loaded when the first one is made: a worker
// that asks nobody but by `fetch` never needs it.
import type { Agent, Dispatcher } from 'undici';
import { type OutgoingProxies, proxyFor } from './outgoing-proxy.js';

export interface DispatcherOptions {
  readonly proxies: OutgoingProxies | undefined;
  /** Of the host that is asked, never of the proxy. */
  readonly tls: { readonly ca?: string; readonly rejectUnauthorized?: boolean };
  /** For a connection to be there, in milliseconds. */
  readonly connectTimeout: number;
  readonly agent?: Agent.Options;
}

export async function createDispatcher(url: URL, options: DispatcherOptions): Promise<Dispatcher> {
  const { Agent, ProxyAgent } = await import('undici');
  const { tls, connectTimeout, proxies } = options;
  const proxy = proxyFor(url, proxies);
  if (proxy === '') return new Agent({ ...options.agent, connect: { ...tls, timeout: connectTimeout } });
  return new ProxyAgent({
    ...options.agent,
    uri: proxy,
    requestTls: { ...tls, timeout: connectTimeout },
    proxyTls: { timeout: connectTimeout },
    // What is http: is asked of the proxy in the open, as ever: many let a tunnel lead to port 443 only.
    proxyTunnel: false,
  });
}
