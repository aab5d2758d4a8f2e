// Traefik with what the chart makes for it, read from the stand-in for the API: Middleware and routes of the chart, the route of the
// application as deploy/proxies/traefik/kubernetes.yaml has it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderChart } from './helm-chart.js';
import type { Resource } from './kubernetes-api.js';
import { type KubernetesResource, parseResources } from './kubernetes-schemas.js';
import { DEPLOY, type Prepare } from './proxy-commands.js';
import { certificates, cluster, type Service, service, withEndpoints } from './traefik-variants.js';

const ADDRESS = 'https://akprox.akprox.svc.cluster.local:9443';

export const helmResources: Prepare = async (place) => {
  const resources = renderChart('traefik', ['traefik.caSecret=""']);
  const own = JSON.stringify(resources.filter(({ apiVersion }) => apiVersion.startsWith('traefik.io/')));
  if (!own.includes(ADDRESS)) throw new Error(`the chart's Middleware does not ask ${ADDRESS}`);
  const outpost = resources.find(({ kind }) => kind === 'Service') as unknown as Service;
  const applications = parseResources(readFileSync(join(DEPLOY, 'traefik/kubernetes.yaml'), 'utf8'));
  const route = applications.find(({ kind, metadata }) => kind === 'IngressRoute' && metadata.namespace === 'apps');
  return cluster(
    [
      ...(JSON.parse(own.replaceAll(ADDRESS, `https://127.0.0.1:${place.secureOutpost}`)) as Resource[]),
      route as KubernetesResource,
      ...(await certificates()),
      ...withEndpoints('akprox', outpost, { http: place.outpost, https: place.secureOutpost }),
      ...withEndpoints('apps', service('whoami', 80), { http: place.application }),
    ],
    [
      `--entryPoints.websecure.address=127.0.0.1:${place.port}`,
      '--entryPoints.websecure.http.aliasHeadersStrategy=delete',
    ],
  );
};
