// As much of Kubernetes' API as Traefik asks: what there is of each kind, as a list and as the beginning of a watch.
import { createServer } from 'node:http';
import { type Listening, listenLocally } from './listening.js';

export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: object };
}

/** What a cluster with Traefik's definitions knows of. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  v1: ['ConfigMap', 'Node', 'Secret', 'Service'],
  'discovery.k8s.io/v1': ['EndpointSlice'],
  'traefik.io/v1alpha1': [
    ...['IngressRoute', 'IngressRouteTCP', 'IngressRouteUDP', 'Middleware', 'MiddlewareTCP', 'ServersTransport'],
    ...['ServersTransportTCP', 'TLSOption', 'TLSStore', 'TraefikService'],
  ],
};
const VERSION = '1';

/** Throws for a resource that such a cluster would not take. */
export async function startKubernetesApi(resources: readonly Resource[], token: string): Promise<Listening> {
  const collections = new Map<string, { apiVersion: string; kind: string; items: object[] }>();
  for (const [apiVersion, kinds] of Object.entries(KINDS)) {
    for (const kind of kinds) {
      const path = `${apiVersion === 'v1' ? '/api' : '/apis'}/${apiVersion}/${kind.toLowerCase()}s`;
      collections.set(path, { apiVersion, kind, items: [] });
    }
  }
  for (const resource of resources) {
    const { apiVersion, kind, metadata } = resource;
    const known = [...collections.values()].find((other) => other.apiVersion === apiVersion && other.kind === kind);
    if (known === undefined) throw new Error(`no matches for kind "${kind}" in version "${apiVersion}"`);
    const stored = { namespace: 'default', uid: `${kind}-${metadata.name}`, resourceVersion: VERSION, ...metadata };
    known.items.push({ ...resource, metadata: stored });
  }

  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://kubernetes');
    const failure = (code: number): unknown =>
      res
        .writeHead(code, { 'Content-Type': 'application/json' })
        .end(JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code }));
    if (req.headers.authorization !== `Bearer ${token}`) return failure(401);
    const collection = collections.get(pathname);
    if (collection === undefined) return failure(404);
    const { apiVersion, kind, items } = collection;
    res.setHeader('Content-Type', 'application/json');
    if (searchParams.get('watch') !== 'true') {
      return res.end(
        JSON.stringify({ apiVersion, kind: `${kind}List`, metadata: { resourceVersion: VERSION }, items }),
      );
    }
    res.flushHeaders();
    // client-go asks for what there is in the watch itself, and waits for the mark behind it.
    if (searchParams.get('sendInitialEvents') === 'true') {
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      const mark = { apiVersion, kind, metadata: { resourceVersion: VERSION, annotations } };
      const events = [...items.map((object) => ({ type: 'ADDED', object })), { type: 'BOOKMARK', object: mark }];
      for (const event of events) res.write(`${JSON.stringify(event)}\n`);
    }
    return res; // and nothing more happens
  });
  return listenLocally(server);
}
