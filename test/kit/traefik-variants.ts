// Traefik with its other files of deploy/proxies/traefik/: Docker's labels, and resources of Kubernetes, read from small stand-ins
// of the two APIs.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { parse, parseAllDocuments } from 'yaml';
import { type Container, startDockerApi } from './docker-api.js';
import { type Resource, startKubernetesApi } from './kubernetes-api.js';
import { addresses, asVariant, type Command, DEPLOY, type Place, type Prepare, replaced } from './proxy-commands.js';

const QUIET = ['--global.checkNewVersion=false', '--global.sendAnonymousUsage=false'];
/** Traefik would take up for two seconds no other state of a container than its first. */
const AT_ONCE = '--providers.providersThrottleDuration=10ms';
const TOKEN = 'of-a-service-account';

export interface Service extends Resource {
  readonly spec: { readonly ports: readonly { readonly name: string; readonly port: number }[] };
}

interface Compose {
  readonly services: Readonly<
    Record<string, { readonly command?: string[]; readonly labels?: Record<string, string | number | boolean> }>
  >;
}

export const dockerLabels: Prepare = (place) =>
  composeFile('traefik/docker-compose.yaml', ['akprox'], place, labelReplacements(place));

/** Where two outposts share their sessions. */
export const composeLabels: Prepare = (place) =>
  composeFile('../compose.yaml', ['akprox', 'akprox'], place, [
    [`\${WHOAMI_HOST:-whoami.company.tld}`, 'whoami.company.tld'],
    ['--ping=true', '--ping=false'], // it would listen on a port of its own
    ...labelReplacements(place),
  ]);

function labelReplacements(place: Place): readonly (readonly [from: string, to: string])[] {
  const label = 'traefik.http.middlewares.akprox.forwardauth';
  return [
    ...asVariant(place, {
      http: [[`${label}.address: https://akprox:9443`, `${label}.address: http://akprox:9000`]],
      ca: (ca) => [
        [`${label}.tls.insecureSkipVerify: "true"`, ''],
        [`# ${label}.tls.ca: /etc/traefik/akprox-ca.crt`, `${label}.tls.ca: ${ca}`],
      ],
    }),
    ...addresses(place),
  ];
}

/** What operators copied from the documentation of the akprox era; Traefik 2.2 in their files, a current one here. */
export const seedLabels: Prepare = (place) =>
  composeFile('../../test/proxies/seed/docker-compose.yaml', ['authentik_proxy'], place, [
    ['http://authentik_proxy:9000', `http://127.0.0.1:${place.outpost}`],
    ['address=:80', `address=127.0.0.1:${place.plain}`],
    ['*external host that you configured in authentik*', 'whoami.company.tld'],
    ['--log.filepath=/var/log/traefik.log', `--log.filepath=${join(place.directory, 'traefik.log')}`],
  ]);

/** Ports of containers are mapped as `ports` of Docker would: what the labels call 9000 is elsewhere. */
async function composeFile(
  file: string,
  outposts: readonly string[],
  place: Place,
  more: readonly (readonly [from: string, to: string])[],
): Promise<Command> {
  const text = replaced(file, [['address=:443', `address=127.0.0.1:${place.port}`], ...more, ...(place.edits ?? [])]);
  const { services } = parse(text, { merge: true }) as Compose;
  const container = (name: string, ports: Container['ports'], end = ''): Container => ({
    name: name + end,
    labels: Object.fromEntries(Object.entries(services[name]?.labels ?? {}).map(([key, value]) => [key, `${value}`])),
    ports,
    hasHealthCheck: name === 'akprox',
  });
  const api = await startDockerApi([
    container('traefik', { 443: place.port }),
    ...outposts.map((name, i) => container(name, { 9000: place.outpost }, `-${i}`)),
    container('whoami', { 80: place.application }),
  ]);
  const own = [`--providers.docker.endpoint=tcp://127.0.0.1:${api.port}`, '--providers.docker.useBindPortIP=true'];
  return { args: [...(services['traefik']?.command ?? []), ...own, AT_ONCE, ...QUIET], close: api.close };
}

/** Beside the file: the Service of deploy/kubernetes, one for the application, what is behind them, and the certificates. */
export const kubernetesResources: Prepare = async (place) => {
  const name = 'akprox.akprox.svc.cluster.local';
  const text = replaced('traefik/kubernetes.yaml', [
    ...asVariant(place, {
      http: [[`address: https://${name}:9443`, `address: http://${name}:9000`]],
      ca: () => [
        ['      insecureSkipVerify: true\n', ''],
        ['# caSecret: akprox-ca', 'caSecret: akprox-ca'],
        ['port: 9000', ['port: 9443', 'scheme: https', 'serversTransport: akprox'].join('\n          ')],
      ],
    }),
    ...addresses(place, name),
    ...(place.edits ?? []),
  ]);
  // What stands at its end as a comment.
  const transport = text.slice(text.indexOf('# ---\n')).replaceAll(/^# /gm, '');
  const [entryPoint] = /--entryPoints\.\S+=\w+/.exec(text) ?? [];
  if (entryPoint === undefined) throw new Error('deploy/proxies/traefik/kubernetes.yaml names no option of Traefik');
  const [outpost] = documents<Service>(readFileSync(join(DEPLOY, '../kubernetes/base/service.yaml'), 'utf8'));
  if (outpost === undefined) throw new Error('deploy/kubernetes has no Service');
  const resources = [
    ...documents(text),
    ...(typeof place.variant === 'object' ? [...documents(transport), ...authority(place.variant.ca)] : []),
    ...(await certificates()),
    // The namespace is that of the kustomization.
    ...withEndpoints('akprox', outpost, { http: place.outpost, https: place.secureOutpost }),
    ...withEndpoints('apps', service('whoami', 80), { http: place.application }),
  ];
  return cluster(resources, [`--entryPoints.websecure.address=127.0.0.1:${place.port}`, entryPoint]);
};

/** As `seedLabels`. Traefik 3 knows the group of its resources by another name. */
export const seedResources: Prepare = (place) => {
  const outpost = 'authentik-outpost-example-outpost';
  const text = replaced('../../test/proxies/seed/kubernetes.yaml', [
    ['traefik.containo.us/v1alpha1', 'traefik.io/v1alpha1'],
    [`http://${outpost}:9000`, `http://127.0.0.1:${place.outpost}`],
    ['*external host that you configured in authentik*', 'whoami.company.tld'],
  ]);
  const resources = [
    ...documents(text),
    ...withEndpoints('authentik', service(outpost, 9000), { http: place.outpost }),
    ...withEndpoints('authentik', service('whoami', 80), { http: place.application }),
  ];
  const entry = [`--entryPoints.websecure.address=127.0.0.1:${place.port}`, '--entryPoints.websecure.http.tls=true'];
  return cluster(resources, entry);
};

export async function cluster(resources: readonly Resource[], entry: readonly string[]): Promise<Command> {
  const api = await startKubernetesApi(resources, TOKEN);
  const own = ['--providers.kubernetescrd=true', `--providers.kubernetescrd.endpoint=http://127.0.0.1:${api.port}`];
  return { args: [...entry, ...own, `--providers.kubernetescrd.token=${TOKEN}`, ...QUIET], close: api.close };
}

function documents<T extends Resource>(yaml: string): T[] {
  return parseAllDocuments(yaml).map((document) => document.toJS() as T);
}

export function service(name: string, port: number): Service {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { ports: [{ name: 'http', port }] } };
}

/** The service in its namespace, and its one pod, which serves these of its ports on the loopback address. */
export function withEndpoints(
  namespace: string,
  service: Service,
  served: Readonly<Record<string, number>>,
): Resource[] {
  const { name } = service.metadata;
  const slice = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: `${name}-1`, namespace, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true, serving: true } }],
    ports: Object.entries(served).map(([name, port]) => ({ name, port, protocol: 'TCP' })),
  };
  return [{ ...service, metadata: { name, namespace } }, slice];
}

/** Of the outpost's certificate, where the middleware is and where the outpost is. */
function authority(ca: string): Resource[] {
  const data = { 'ca.crt': readFileSync(ca, 'base64') };
  return ['apps', 'akprox'].map((namespace) => ({
    ...{ apiVersion: 'v1', kind: 'Secret', type: 'Opaque', data },
    metadata: { name: 'akprox-ca', namespace },
  }));
}

/** The two that kubernetes.yaml names, each for its host. */
export async function certificates(): Promise<Resource[]> {
  const secrets = [
    ['apps', 'whoami-tls', 'whoami.company.tld'],
    ['akprox', 'login-tls', 'login.company.tld'],
  ] as const;
  return Promise.all(
    secrets.map(async ([namespace, name, host]) => {
      const extensions = [{ name: 'subjectAltName' as const, altNames: [{ type: 2 as const, value: host }] }];
      const own = [{ name: 'commonName', value: host }];
      const pems = await generate(own, { keyType: 'ec', curve: 'P-256', extensions });
      const base64 = (text: string): string => Buffer.from(text).toString('base64');
      const data = { 'tls.crt': base64(pems.cert), 'tls.key': base64(pems.private) };
      return { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, type: 'kubernetes.io/tls', data };
    }),
  );
}
