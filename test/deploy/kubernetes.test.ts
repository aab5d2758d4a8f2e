// Kubernetes' own schemas for everything in deploy/ that is meant for a cluster: no cluster is here to refuse it.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type * as apps from 'kubernetes-models/apps/v1';
import type * as networking from 'kubernetes-models/networking.k8s.io/v1';
import type * as core from 'kubernetes-models/v1';
import { findOnPath } from '../kit/demo/proxies.js';
import { type KubernetesResource, parseResources, unknownFields, validate } from '../kit/kubernetes-schemas.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const DEPLOY = join(ROOT, 'deploy');
describe('deploy/ for Kubernetes', () => {
  for (const file of ['proxies/traefik/kubernetes.yaml', 'proxies/ingress-nginx/ingress.yaml']) {
    it(`${file} fits the schemas`, () => {
      const resources = parseResources(readFileSync(join(DEPLOY, file), 'utf8'));
      resources.forEach(validate);
      assert.equal(unknownFields(resources), '');
    });
  }

  it('the schemas notice a wrong value, and a field that does not exist', () => {
    const ingress = (path: object): KubernetesResource => ({
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
    const build = (): KubernetesResource[] => {
      const { status, stdout, stderr } = spawnSync(
        kubectl ?? '',
        ['kustomize', join(DEPLOY, 'kubernetes/overlays', overlay)],
        { encoding: 'utf8' },
      );
      assert.equal(status, 0, stderr);
      return parseResources(stdout);
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
