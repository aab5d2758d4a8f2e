// The bill of materials of a release, CycloneDX, on standard output: what package-lock.json has for production, with hashes and licences.
// `npm sbom --omit=dev` leaves out what a package for development needs too (jose, ms), so this leaves out what is for development only.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const root = new URL('../', import.meta.url);
const options = ['--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application'];
const { status, stdout, stderr } = spawnSync('npm', ['sbom', ...options], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 2 ** 26,
});
if (status !== 0) {
  process.stderr.write(stderr);
  process.exit(1);
}
const bom = JSON.parse(stdout);
const isForDevelopment = ({ properties = [] }) => properties.some(({ name }) => name === 'cdx:npm:package:development');
const left = new Set(bom.components.filter(isForDevelopment).map((component) => component['bom-ref']));
const kept = (reference) => !left.has(reference);
// npm calls what it describes by the name of the folder.
bom.metadata.component.name = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')).name;
bom.components = bom.components.filter((component) => kept(component['bom-ref']));
bom.dependencies = bom.dependencies
  .filter(({ ref }) => kept(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(kept) }));
process.stdout.write(`${JSON.stringify(bom, null, 2)}\n`);
