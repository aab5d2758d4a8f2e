// What is not loaded: an idle daemon has a budget of memory, and each of these takes megabytes of it, or a tenth of a second of every
// start. A package that has to come is a row here; better, it is imported where it is used: `await import(…)`.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const DIST = fileURLToPath(new URL('../../dist', import.meta.url));

interface Graph {
  /** Of dist/. */
  readonly files: readonly string[];
  /** Outside of it, but not of Node.js. */
  readonly packages: readonly string[];
}

/** What is loaded with `roots`, without what is imported on demand. The compiler has removed imports of types. */
function loadedWith(...roots: string[]): Graph {
  const files = new Set<string>();
  const packages = new Set<string>();
  const visit = (file: string): void => {
    if (files.has(file)) return;
    files.add(file);
    assert.ok(existsSync(join(DIST, file)), file);
    const source = readFileSync(join(DIST, file), 'utf8');
    for (const match of source.matchAll(/^(?:import|export)\b[^;(]*?\bfrom '([^']+)'|^import '([^']+)'/gm)) {
      const target = match[1] ?? match[2] ?? '';
      if (target.startsWith('.')) visit(relative(DIST, resolve(DIST, dirname(file), target)));
      else if (!target.startsWith('node:') && !builtinModules.includes(target)) packages.add(target);
    }
  };
  for (const root of roots) visit(root);
  return { files: [...files].sort(), packages: [...packages].sort() };
}

const PRIMARY = loadedWith('main.js', 'commands/command-line.js', 'commands/serve.js', 'cluster/primary.js');
const WORKER = loadedWith('main.js', 'cluster/start-worker.js', 'cluster/worker-process.js');
const LISTENING = loadedWith('http/engine.js', 'http/uws.js', 'http/server.js');

describe('what is loaded at the start of', () => {
  it('a primary: no schema, no YAML, no store, no metrics client, no certificates, nothing of authentik', () => {
    assert.deepEqual(PRIMARY.packages, ['lru-cache', 'pino']);
    const rooms = PRIMARY.files.filter((file) => /^(?:oidc|authentik|session\/(?:redis|embedded))\//.test(file));
    assert.deepEqual(rooms, []);
  });

  it('a worker: no openid-client, no jose, no undici, and no store but the one that it has', () => {
    assert.deepEqual(WORKER.packages, ['ipaddr.js', 'lru-cache', 'pino']);
    assert.deepEqual(LISTENING.packages, ['ipaddr.js', 'lru-cache', 'uWebSockets.js']);
    assert.deepEqual(loadedWith('session/embedded/embedded-store.js').packages, ['lmdb']);
  });

  it('a worker: nothing that listens with TLS or HTTP/2', () => {
    const files = [...WORKER.files, ...LISTENING.files];
    assert.deepEqual(
      files.filter((file) => /http2|https|certificates|self-signed|compat/.test(file)),
      [],
    );
  });

  it('the process that reads the configuration alone: the schema and YAML', () => {
    const { packages } = loadedWith('cluster/reader-process.js');
    assert.deepEqual(packages, ['ipaddr.js', 'yaml', 'zod']);
    for (const { files } of [PRIMARY, WORKER, LISTENING]) {
      const heavy = files.filter((file) => /^config\/(?:load|schema|rules|environment)/.test(file));
      assert.deepEqual(heavy, []);
    }
  });

  // What packages load in their turn.
  for (const [kind, files] of [
    ['primary', ['cluster/primary.js']],
    ['worker', ['cluster/worker-process.js', 'http/node-server.js', 'session/embedded/embedded-store.js']],
  ] as const) {
    it(`a ${kind}: no TLS, no HTTP/2 and no fetch of Node.js`, () => {
      const imports = files.map((file) => `await import(${JSON.stringify(join(DIST, file))});`).join('');
      const script = `${imports} process.stdout.write(JSON.stringify(process.moduleLoadList))`;
      const text = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' });
      const loaded = (JSON.parse(text) as string[]).map((name) => name.replace(/^NativeModule /, ''));
      assert.ok(loaded.includes('net'), 'the list of what is loaded has no net');
      const heavy = ['tls', 'https', 'http2', 'zlib', 'internal/http2/core', 'internal/deps/undici/undici'];
      assert.deepEqual(
        heavy.filter((name) => loaded.includes(name)),
        [],
      );
    });
  }
});
