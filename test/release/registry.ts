// Whether packages can be installed here: from the registry that npm is configured for.
import { spawnSync } from 'node:child_process';

/** Null when the registry answers. */
export function registryMissing(): string | null {
  const question = ['view', 'ms', 'version', '--fetch-retries=0', '--fetch-timeout=10000'];
  const { status } = spawnSync('npm', question, { stdio: 'ignore' });
  return status === 0 ? null : 'the npm registry cannot be reached';
}
