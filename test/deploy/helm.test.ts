// The chart, rendered by a real Helm: what a cluster would say of it, and akprox of its configuration.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { IConfigMap, IPodTemplateSpec, IService } from 'kubernetes-models/v1';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.js';
import { diskOf, PAIR } from '../config/setup.js';
import { CHART, helmMissing, renderChart, runHelm } from '../kit/helm-chart.js';
import { type KubernetesResource, parseResources, unknownFields, validate } from '../kit/kubernetes-schemas.js';
import { describeWith } from '../kit/needs.js';

/** Of a StatefulSet or a Deployment. */
interface Workload {
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly template: IPodTemplateSpec;
    readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    readonly volumeClaimTemplates?: readonly { readonly metadata: { readonly name: string } }[];
    readonly strategy?: unknown;
  };
}

const ROOT = join(CHART, '../../..');
const EXAMPLES = readdirSync(join(CHART, 'examples')).map((file) => file.replace(/\.yaml$/, ''));
const kinds = (resources: readonly KubernetesResource[]): string[] => resources.map(({ kind }) => kind).toSorted();
const one = <T>(resources: readonly KubernetesResource[], kind: string): T =>
  (resources.find((resource) => resource.kind === kind) ?? assert.fail(`no ${kind}`)) as T;
const workload = (resources: readonly KubernetesResource[]): Workload =>
  (resources.find(({ kind }) => kind === 'Deployment' || kind === 'StatefulSet') ?? assert.fail()) as never;

describe('the chart', () => {
  it('has the version of the package', () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as Record<string, string>;
    assert.deepEqual([chart['version'], chart['appVersion']], [version, version]);
  });

  it('lists the headers that the file for Traefik lists', () => {
    const file = parseResources(readFileSync(join(ROOT, 'deploy/proxies/traefik/kubernetes.yaml'), 'utf8'));
    const middleware = one<{ spec: { forwardAuth: { authResponseHeaders: string[] } } }>(file, 'Middleware');
    const { traefik } = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as {
      traefik: { authResponseHeaders: string[] };
    };
    assert.deepEqual(traefik.authResponseHeaders, middleware.spec.forwardAuth.authResponseHeaders);
  });
});

describeWith(helmMissing(), 'the chart, rendered', () => {
  const all: KubernetesResource[] = [];

  for (const example of EXAMPLES) {
    it(`examples/${example}.yaml: Kubernetes takes it, and it finds what it names`, () => {
      const resources = renderChart(example);
      all.push(...resources);
      resources.forEach(validate);
      const { metadata, spec } = workload(resources);
      const pod = spec.template;
      const [container] = pod.spec?.containers ?? [];
      const claims = spec.volumeClaimTemplates ?? [];
      const volumes = [...(pod.spec?.volumes ?? []), ...claims.map((claim) => ({ name: claim.metadata.name }))];
      const mounted = container?.volumeMounts?.map(({ name }) => name) ?? [];
      assert.deepEqual(mounted.toSorted(), volumes.map(({ name }) => name).toSorted());
      const names = container?.ports?.map(({ name }) => name);
      const service = one<IService>(resources, 'Service');
      assert.deepEqual(
        service.spec?.ports?.map(({ targetPort }) => targetPort),
        names,
      );
      const labels = Object.entries(pod.metadata?.labels ?? {});
      const selectors = [service.spec?.selector, spec.selector.matchLabels];
      for (const selector of selectors)
        assert.ok(
          Object.entries(selector ?? {}).every(([key, value]) => labels.some(([k, v]) => k === key && v === value)),
        );
      assert.equal(metadata.name, 'akprox');
      assert.equal(container?.securityContext?.readOnlyRootFilesystem, true);
      assert.equal(pod.spec?.securityContext?.runAsNonRoot, true);
    });

    it(`examples/${example}.yaml: akprox takes its configuration`, () => {
      const resources = renderChart(example);
      const { data } = one<IConfigMap>(resources, 'ConfigMap');
      const text = data?.['akprox.yaml'] ?? '';
      const files: Record<string, string> = {
        '/etc/akprox/akprox.yaml': text,
        '/run/tls/tls.crt': PAIR.cert,
        '/run/tls/tls.key': PAIR.private,
      };
      const authentik = { AUTHENTIK_HOST: 'https://auth.company.tld', AUTHENTIK_TOKEN: 'a-token' };
      const loaded = loadConfig({
        env: { AKPROX_CONFIG: '/etc/akprox/akprox.yaml', ...(example === 'authentik' && authentik) },
        cwd: '/data',
        // A secret of any name.
        readFile: (path) => (path.startsWith('/run/secrets/akprox/') ? 'x'.repeat(40) : diskOf(files)(path)),
      });
      assert.ok(loaded.ok, JSON.stringify(loaded));
      assert.equal(loaded.config.store.kind, text.includes('kind: redis') ? 'redis' : 'embedded');
    });
  }

  it('has no field that Kubernetes, Traefik or the operator does not know', () => {
    assert.ok(all.length > 20);
    assert.equal(unknownFields(all), '');
  });

  it('the store decides what runs', () => {
    const embedded = kinds(renderChart('embedded'));
    assert.deepEqual(embedded, ['ConfigMap', 'Service', 'StatefulSet']);
    const redis = renderChart('redis');
    for (const kind of [
      'Deployment',
      'PodDisruptionBudget',
      'HorizontalPodAutoscaler',
      'NetworkPolicy',
      'ServiceMonitor',
    ])
      assert.ok(kinds(redis).includes(kind), kind);
    assert.deepEqual(workload(redis).spec.strategy, {
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
    });
  });

  it('workers are as many as the quota allows, and two where there is none', () => {
    const workers = (resources: KubernetesResource[]): unknown =>
      (parse(one<IConfigMap>(resources, 'ConfigMap').data?.['akprox.yaml'] ?? '') as { workers: unknown }).workers;
    assert.equal(workers(renderChart('redis')), 'auto');
    assert.equal(workers(renderChart('embedded')), 2);
    assert.equal(workers(renderChart('embedded', ['config.workers=4'])), 4);
  });

  for (const [what, set, says] of [
    ['a value that does not exist', 'replica=3', /additional properties 'replica' not allowed/],
    ['a value of the wrong kind', 'traefik.scheme="ftp"', /traefik\/scheme/],
    [
      'a secret that is written out',
      'config.providers[0].oidc.client_secret="abc"',
      /put it into the Secret that secretName names/,
    ],
    [
      'a password of the store',
      'config.store={"kind":"redis","password":"abc"}',
      /put it into the Secret that secretName/,
    ],
    [
      'one in its URL',
      'config.store={"kind":"redis","url":"redis://:abc@redis"}',
      /put it into the Secret that secretName/,
    ],
    ['no provider', 'config={"providers":[]}', /no providers: set config\.providers, or authentik\.host/],
  ] as const) {
    it(`refuses ${what}`, () => {
      const command = ['template', 'akprox', CHART];
      const { status, stderr } = runHelm(command, ['examples/embedded.yaml'], [set]);
      assert.equal(status, 1);
      assert.match(stderr, says);
    });
  }

  it('pleases the linter', () => {
    const { status, stdout } = runHelm(['lint', '--strict', '--quiet', CHART], ['examples/redis.yaml']);
    assert.equal(status, 0, stdout);
  });
});
