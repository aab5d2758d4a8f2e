// `npm test`: every test file but the longest, with AKPROX_TEST_ALL=1 those too, or those that the command line names. They are compiled
// here, once: when each process compiled what it runs, that was a sixth of the CPU time of the whole. `node --import tsx --test FILE` runs a
// file just as well.
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { transformSync } from 'esbuild';
import { endsWithTest } from './kit/ends-with-test.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const OPTIONS = [
  '--enable-source-maps',
  '--test',
  '--test-reporter=spec',
  '--test-concurrency=5',
  '--test-timeout=600000',
];

// Inside node_modules, where the compiled files find packages, and no tool of ours looks.
const cache = join(ROOT, 'node_modules/.cache');
mkdirSync(cache, { recursive: true });
const directory = mkdtempSync(join(cache, 'tests-'));
const remove = (): void => rmSync(directory, { recursive: true, force: true });
for (const end of ['exit', 'SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(end, remove);

writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
const sources = ['src', 'bench', 'test'].flatMap((room) =>
  readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(room, name)),
);
for (const source of sources) compile(source);

/** Minutes of two cores, for what few changes touch: `.ci/run` runs them too. */
const LONG = [
  'test/commands/doctor/dialects-and-limits.test.ts',
  'test/commands/doctor/modelled-proxies.test.ts',
  'test/commands/doctor/real-proxies.test.ts',
  'test/e2e/accessibility.test.ts',
  'test/e2e/demo-gateways.test.ts',
  'test/identity-providers/dex.test.ts',
  'test/identity-providers/hydra.test.ts',
  'test/identity-providers/keycloak.test.ts',
  'test/release/install.test.ts',
];

const named = process.argv.slice(2).map((file) => relative(ROOT, file));
const all = sources.filter((source) => source.endsWith('.test.ts')).sort();
const left = named.length > 0 || process.env['AKPROX_TEST_ALL'] === '1' ? [] : LONG;
const wanted = named.length > 0 ? named : all.filter((source) => !left.includes(source));
const files = wanted.map(compiled);
if (left.length > 0) console.log(`left to AKPROX_TEST_ALL=1 npm test, as .ci/run has it: ${left.join(', ')}`);
const child = endsWithTest(spawn(process.execPath, [...OPTIONS, ...files], { cwd: ROOT, stdio: 'inherit' }), 'SIGTERM');
child.on('exit', (code) => process.exit(code ?? 1));

function compile(source: string): void {
  const { code } = transformSync(readFileSync(join(ROOT, source), 'utf8'), {
    loader: 'ts',
    format: 'esm',
    target: 'node20',
    sourcemap: 'inline',
    sourcefile: join(ROOT, source),
    // Tests find files of the repository beside their own.
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(join(ROOT, source)).href) },
  });
  const target = compiled(source);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, code);
}

function compiled(source: string): string {
  return join(directory, source.replace(/ts$/, 'js'));
}
