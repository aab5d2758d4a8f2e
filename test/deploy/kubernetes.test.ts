// Kubernetes' own schemas for everything in deploy/ that is meant for a cluster: no cluster is here to refuse it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as prometheus from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as traefik from '@kubernetes-models/traefik/traefik.io/v1alpha1';
import * as apps from 'kubernetes-models/apps/v1';
import * as autoscaling from 'kubernetes-models/autoscaling/v2';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';
import { findOnPath } from '../kit/demo/proxies.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DEPLOY = join(ROOT, 'deploy');
/** Inside the repository, or the compiler would not find the types. */
const SCRATCH = mkdtempSync(join(ROOT, 'node_modules', '.akprox-kubernetes-'));

type Model = new (data: never) => { validate(): void };
interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: never;
}

/** Which schema a resource has: module for the types, and the models in it. */
const SCHEMAS: Readonly<Record<string, { readonly from: string; readonly models: object }>> = {
  v1: { from: 'kubernetes-models/v1', models: core },
  'apps/v1': { from: 'kubernetes-models/apps/v1', models: apps },
  'autoscaling/v2': { from: 'kubernetes-models/autoscaling/v2', models: autoscaling },
  'networking.k8s.io/v1': { from: 'kubernetes-models/networking.k8s.io/v1', models: networking },
  'policy/v1': { from: 'kubernetes-models/policy/v1', models: policy },
  'traefik.io/v1alpha1': {
    from: '@kubernetes-models/traefik/traefik.io/v1alpha1',
    models: traefik,
  },
  'monitoring.coreos.com/v1': {
    from: '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1',
    models: prometheus,
  },
};

/** Fields that are newer than these schemas: maxResponseBodySize is from Traefik 3.6.9. */
const NEWER = new Set(['maxResponseBodySize']);

const parse = (text: string): Resource[] => parseAllDocuments(text).map((document) => document.toJS() as Resource);

/** Throws where a value is missing or wrong; the schemas let fields pass that they do not know. */
function validate(resource: Resource): void {
  const model = (SCHEMAS[resource.apiVersion]?.models as Record<string, Model> | undefined)?.[resource.kind];
  assert.ok(model, `no schema for ${resource.apiVersion} ${resource.kind}`);
  new model(resource as never).validate();
}

/** What the compiler says of the resources as literals of their types: fields that do not exist, at any depth. */
function unknownFields(resources: readonly Resource[]): string {
  const lines = resources.map((resource, i) => {
    const { apiVersion, kind } = resource;
    const { from } = SCHEMAS[apiVersion] ?? assert.fail(`no schema for ${apiVersion}`);
    const literal = JSON.stringify(resource, (name, value) => (NEWER.has(name) ? undefined : value));
    return `import type { I${kind} as Type${i} } from '${from}';\nexport const resource${i}: Type${i} = ${literal};`;
  });
  const file = join(SCRATCH, 'resources.ts');
  writeFileSync(file, `${lines.join('\n')}\n`);
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'NodeNext',
    '--moduleResolution',
    'NodeNext',
  ];
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const { stdout, stderr } = spawnSync(process.execPath, [compiler, ...options, file], { encoding: 'utf8' });
  return stdout + stderr;
}

describe('deploy/ for Kubernetes', () => {
  after(() => rmSync(SCRATCH, { recursive: true, force: true }));

  for (const file of ['proxies/traefik/kubernetes.yaml', 'proxies/ingress-nginx/ingress.yaml']) {
    it(`${file} fits the schemas`, () => {
      const resources = parse(readFileSync(join(DEPLOY, file), 'utf8'));
      resources.forEach(validate);
      assert.equal(unknownFields(resources), '');
    });
  }

  it('the schemas notice a wrong value, and a field that does not exist', () => {
    const ingress = (path: object): Resource => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'Ingress',
      metadata: { name: 'x' },
      spec: { rules: [{ http: { paths: [{ backend: { service: { name: 'x' } }, ...path }] } }] } as never,
    });
    validate(ingress({ pathType: 'Prefix' }));
    assert.throws(() => validate(ingress({})), /pathType/);
    assert.equal(unknownFields([ingress({ pathType: 'Prefix' })]), '');
    assert.match(unknownFields([ingress({ pathType: 'Prefix', pathTyp: 'Prefix' })]), /pathTyp/);
  });

  const kubectl = findOnPath('kubectl', process.env['PATH'] ?? '');
  const skip = kubectl === null && 'kubectl is not installed';
  for (const overlay of ['embedded', 'redis']) {
    const build = (): Resource[] => {
      const { status, stdout, stderr } = spawnSync(
        kubectl ?? '',
        ['kustomize', join(DEPLOY, 'kubernetes/overlays', overlay)],
        { encoding: 'utf8' },
      );
      assert.equal(status, 0, stderr);
      return parse(stdout);
    };

    it(`the overlay ${overlay} fits the schemas`, { skip }, () => {
      const resources = build();
      resources.forEach(validate);
      assert.equal(unknownFields(resources), '');
    });

    it(`the overlay ${overlay} finds what it names`, { skip }, () => {
      const resources = build();
      const named = (kind: string): string[] =>
        resources.filter((resource) => resource.kind === kind).map(({ metadata }) => metadata.name);
      assert.deepEqual([...new Set(resources.map(({ metadata }) => metadata.namespace ?? metadata.name))], ['akprox']);
      const [deployment] = resources.filter(({ kind }) => kind === 'Deployment') as unknown as [apps.IDeployment];
      const pod = deployment.spec?.template;
      const [container] = pod?.spec?.containers ?? [];
      const volumes = pod?.spec?.volumes ?? [];
      const mounted = container?.volumeMounts?.map(({ name }) => name) ?? [];
      assert.deepEqual(mounted.toSorted(), volumes.map(({ name }) => name).toSorted());
      const configMaps = volumes.flatMap(({ configMap }) => configMap?.name ?? []);
      assert.deepEqual(configMaps, named('ConfigMap'));
      const claims = volumes.flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? []);
      assert.deepEqual(claims, named('PersistentVolumeClaim'));
      assert.deepEqual(pod?.metadata?.labels, deployment.spec?.selector.matchLabels);
      const [network] = resources.filter(({ kind }) => kind === 'NetworkPolicy') as unknown as [
        networking.INetworkPolicy,
      ];
      assert.deepEqual(network.spec?.podSelector.matchLabels, deployment.spec?.selector.matchLabels);
      const [service] = resources.filter(({ kind }) => kind === 'Service') as unknown as [core.IService];
      assert.deepEqual(service.spec?.selector, deployment.spec?.selector.matchLabels);
      const ports = container?.ports?.map(({ name }) => name);
      assert.deepEqual(
        service.spec?.ports?.map(({ targetPort }) => targetPort),
        ports,
      );
      for (const probe of [container?.startupProbe, container?.readinessProbe, container?.livenessProbe]) {
        assert.ok(ports?.includes(probe?.httpGet?.port as string));
      }
    });
  }
});
