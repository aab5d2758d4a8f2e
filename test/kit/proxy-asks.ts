// How each proxy asks a check, and what it is answered, without a socket.
import { blockHeaders } from '../../src/application/identity.js';
import { type Decision, render } from '../../src/http/decision.js';
import type { Dialect } from '../../src/http/dialects.js';
import type { HeaderSource, Reply } from '../../src/http/exchange.js';
import { requestOf } from './checks.js';

export interface Browser {
  readonly method?: string;
  /** Of the browser, as the proxy passes them on; names in lower case. */
  readonly headers?: readonly (readonly [string, string])[];
}

/** As the files in deploy/proxies let them ask about a URL. */
export function proxyAsks(dialect: Dialect, url: string, { method = 'GET', headers = [] }: Browser = {}): HeaderSource {
  const { protocol, host, pathname, search } = new URL(url);
  const proto = protocol.slice(0, -1);
  switch (dialect.name) {
    case 'traefik':
    case 'caddy':
      return requestOf([
        ['host', 'akprox:9000'],
        ['x-forwarded-proto', proto],
        ['x-forwarded-host', host],
        ['x-forwarded-uri', pathname + search],
        ['x-forwarded-method', method],
        ...headers,
      ]);
    case 'nginx':
      return requestOf([['host', host], ['x-original-url', `<${url}>`], ['x-original-method', method], ...headers], {
        path: '/akprox/auth/nginx',
      });
    case 'envoy':
      return requestOf([['host', host], ['x-forwarded-proto', proto], ...headers], {
        method,
        path: `/akprox/auth/envoy${pathname}`,
        query: search.slice(1),
      });
    default:
      return dialect.name satisfies never;
  }
}

/** What the proxy gets. */
export function answerTo(decision: Decision, dialect: Dialect): Reply {
  if (decision.kind !== 'allow') return render(decision, dialect);
  const { block, application } = decision;
  const remove = [[dialect.removeHeader, application.headersToRemove] as const].filter(([name]) => name !== '');
  return { status: 200, headers: [...blockHeaders(block), ...remove], body: '' };
}
