// Kubernetes' own schemas, and those of Traefik and the Prometheus operator: no cluster is here to refuse a resource.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as prometheus from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as traefik from '@kubernetes-models/traefik/traefik.io/v1alpha1';
import * as apps from 'kubernetes-models/apps/v1';
import * as autoscaling from 'kubernetes-models/autoscaling/v2';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import { parseAllDocuments } from 'yaml';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
type Model = new (data: never) => { validate(): void };
export interface KubernetesResource {
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

export const parseResources = (text: string): KubernetesResource[] =>
  parseAllDocuments(text).map((document) => document.toJS() as KubernetesResource);

/** Throws where a value is missing or wrong; the schemas let fields pass that they do not know. */
export function validate(resource: KubernetesResource): void {
  const model = (SCHEMAS[resource.apiVersion]?.models as Record<string, Model> | undefined)?.[resource.kind];
  assert.ok(model, `no schema for ${resource.apiVersion} ${resource.kind}`);
  new model(resource as never).validate();
}

/** What the compiler says of the resources as literals of their types: fields that do not exist, at any depth. */
export function unknownFields(resources: readonly KubernetesResource[]): string {
  const lines = resources.map((resource, i) => {
    const { apiVersion, kind } = resource;
    const { from } = SCHEMAS[apiVersion] ?? assert.fail(`no schema for ${apiVersion}`);
    const literal = JSON.stringify(resource, (name, value) => (NEWER.has(name) ? undefined : value));
    return `import type { I${kind} as Type${i} } from '${from}';\nexport const resource${i}: Type${i} = ${literal};`;
  });
  // Inside the repository, or the compiler would not find the types.
  const scratch = mkdtempSync(join(ROOT, 'node_modules', '.akprox-kubernetes-'));
  const file = join(scratch, 'resources.ts');
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
  rmSync(scratch, { recursive: true, force: true });
  return stdout + stderr;
}
