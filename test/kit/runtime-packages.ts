// The packages that akprox runs with, as package-lock.json has them.
import { readFileSync } from 'node:fs';

export interface RuntimePackage {
  /** As it is imported. */
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, or '' where the package names none. */
  readonly license: string;
  /** Where it is installed; everywhere when absent. */
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
}

export function runtimePackages(): RuntimePackage[] {
  const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as {
    packages: Record<string, { version: string; license?: string; dev?: boolean; os?: string[]; cpu?: string[] }>;
  };
  return Object.entries(packages)
    .filter(([path, { dev }]) => path !== '' && dev !== true)
    .map(([path, { version, license = '', os, cpu }]) => ({
      name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version,
      license,
      ...(os && { os }),
      ...(cpu && { cpu }),
    }));
}
