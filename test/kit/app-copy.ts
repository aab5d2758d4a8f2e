// A copy of the build that a test may damage, and modules to inject into the daemon's processes.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const NATIVE = 'uWebSockets.js';

export interface AppCopy {
  readonly directory: string;
  readonly main: string;
  remove(): void;
}

/** `withBinary` false: as on a Node.js for which uWebSockets.js has no binary. */
export function copyApp({ withBinary = true } = {}): AppCopy {
  const directory = mkdtempSync(join(tmpdir(), 'akprox-copy-'));
  cpSync(join(ROOT, 'dist'), join(directory, 'dist'), { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
  const modules = join(directory, 'node_modules');
  mkdirSync(modules);
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (withBinary || name !== NATIVE) symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  if (!withBinary) {
    const filter = (source: string): boolean => !source.endsWith('.node');
    cpSync(join(ROOT, 'node_modules', NATIVE), join(modules, NATIVE), { recursive: true, filter });
  }
  return {
    directory,
    main: join(directory, 'dist', 'main.js'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/**
 * Environment that runs `code` in every worker before anything else; `id` is the worker's number, from 1 on, in the order in
 * which they were forked.
 */
export function injected(directory: string, code: string): Record<string, string> {
  const file = join(directory, 'injected.mjs');
  writeFileSync(
    file,
    `import cluster from 'node:cluster';\nconst id = cluster.worker?.id ?? 0;\nif (id > 0) {\n${code}\n}\n`,
  );
  return { NODE_OPTIONS: `--import ${file}` };
}
