// What a release is made of: licences that oblige nobody who runs it, a bill of materials, and binaries for both processors.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { assertMarked } from '../kit/marked.js';
import { runtimePackages } from '../kit/runtime-packages.js';

const ROOT = new URL('../../', import.meta.url);
/** Whoever passes such a package on says whose it is, and that is all. */
const PERMISSIVE = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT']);
const packages = runtimePackages();

it('every package that akprox runs with has a permissive licence', () => {
  assert.ok(packages.length > 30);
  const others = packages.filter(({ license }) => !PERMISSIVE.has(license));
  assert.deepEqual(
    others.map(({ name, license }) => `${name}: ${license || 'no licence named'}`),
    [],
  );
});

it('docs/licences.md has them all', () => {
  const licences = [...new Set(packages.map(({ license }) => license))].toSorted();
  const rows = licences.map((licence) => {
    const names = packages
      .filter(({ license }) => license === licence)
      .map(({ name, os }) => (os === undefined ? name : `${dirname(name)}/*`));
    const unique = [...new Set(names)].toSorted();
    return `| ${licence} | ${unique.map((name) => `\`${name}\``).join(', ')} |`;
  });
  assertMarked(
    new URL('docs/licences.md', ROOT),
    'licences',
    `| licence | packages |\n|---|---|\n${rows.join('\n')}`,
    process.env['UPDATE_DOCS'] === '1',
    'UPDATE_DOCS=1 npx tsx --test test/release/packages.test.ts',
  );
});

it('the bill of materials names each of them with its licence and hash, and nothing that only tests need', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [fileURLToPath(new URL('.ci/sbom.mjs', ROOT))], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const bom = JSON.parse(stdout) as {
    bomFormat: string;
    metadata: { component: { name: string; version: string; type: string } };
    components: { name: string; version: string; licenses?: unknown[]; hashes?: unknown[] }[];
  };
  const { version } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as { version: string };
  const { name, version: described, type } = bom.metadata.component;
  assert.deepEqual([bom.bomFormat, name, described, type], ['CycloneDX', 'akprox', version, 'application']);
  const named = bom.components
    .filter(({ licenses, hashes }) => licenses?.length && hashes?.length)
    .map((one) => `${one.name}@${one.version}`);
  assert.deepEqual(named.toSorted(), packages.map((one) => `${one.name}@${one.version}`).toSorted());
});

// Linux with glibc, x64 and arm64: what README names. Nobody compiles anything.
for (const cpu of ['x64', 'arm64']) {
  it(`every native package has its binary for Linux on ${cpu}`, () => {
    const families: Record<string, string[]> = {};
    for (const { name, os = [], cpu: processors = [] } of packages) {
      if (os.length > 0) families[dirname(name)] = [...(families[dirname(name)] ?? []), `${os[0]}-${processors[0]}`];
    }
    assert.deepEqual(Object.keys(families).toSorted(), ['@lmdb', '@msgpackr-extract']);
    for (const [family, there] of Object.entries(families)) assert.ok(there.includes(`linux-${cpu}`), family);

    const ours = readdirSync(new URL('node_modules/uWebSockets.js/dist/bin', ROOT));
    for (const abi of [115, 127]) assert.ok(ours.includes(`uws_linux_${cpu}_${abi}.node`), `ABI ${abi} of Node.js`);
  });
}

it('no other package brings a binary, which would be for this machine only', () => {
  const binaries = packages.filter(({ name, os }) => {
    const folder = new URL(`node_modules/${name}/`, ROOT);
    return (
      os === undefined &&
      existsSync(folder) &&
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).some((file) => file.endsWith('.node'))
    );
  });
  assert.deepEqual(
    binaries.map(({ name }) => name),
    ['uWebSockets.js'],
  );
});
