// The chart of deploy/helm, rendered by a real Helm.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOnPath } from './demo/proxies.js';
import { type KubernetesResource, parseResources } from './kubernetes-schemas.js';

export const CHART = fileURLToPath(new URL('../../deploy/helm/akprox', import.meta.url));
/** A Helm that is built as a Go module does not know of which cluster it speaks. */
const CLUSTER = ['--kube-version', '1.34.0'];

const helm = process.env['HELM_BIN'] || findOnPath('helm', process.env['PATH'] ?? '');

export function helmMissing(): string | null {
  return helm && existsSync(helm) ? null : 'helm is not installed (HELM_BIN)';
}

/** `values`: files of the chart's folder. Standard output, or what Helm says is wrong. */
export function runHelm(command: readonly string[], values: readonly string[], set: readonly string[] = []) {
  const files = values.flatMap((file) => ['--values', join(CHART, file)]);
  const args = [...command, ...CLUSTER, ...files, ...set.flatMap((one) => ['--set-json', one])];
  const { status, stdout, stderr } = spawnSync(helm ?? '', args, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** As `helm install akprox deploy/helm/akprox --namespace akprox` would send them to a cluster. */
export function renderChart(example: string, set: readonly string[] = []): KubernetesResource[] {
  const command = ['template', 'akprox', CHART, '--namespace', 'akprox'];
  const { status, stdout, stderr } = runHelm(command, [`examples/${example}.yaml`], set);
  if (status !== 0) throw new Error(stderr);
  return parseResources(stdout);
}
