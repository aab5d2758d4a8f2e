// The process that reads the configuration.
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readApart } from '../../src/cluster/read-apart.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'akprox-read-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

it('reads a configuration that is a descriptor, as from AKPROX_CONFIG=<(…) in a shell', async () => {
  const descriptor = openSync(file('akprox.yaml', 'workers: 3\nlisten: { https: null }\n'), 'r');
  try {
    const { result, selfSigned } = await readApart(MAIN, ['--read-configuration', '--at-start'], {
      AKPROX_CONFIG: `/dev/fd/${descriptor}`,
    });
    assert.ok(result.ok);
    assert.equal(result.config.workers, 3);
    assert.equal(selfSigned, null);
  } finally {
    closeSync(descriptor);
  }
});

it('makes a certificate at the start of an HTTPS listener only', async () => {
  const env = { AKPROX_CONFIG: file('https.yaml', 'workers: 1\n') };
  const [atStart, later] = await Promise.all([
    readApart(MAIN, ['--read-configuration', '--at-start'], env),
    readApart(MAIN, ['--read-configuration'], env),
  ]);
  assert.match(atStart.selfSigned?.cert ?? '', /^-----BEGIN CERTIFICATE-----/);
  assert.equal(later.selfSigned, null);
  assert.ok(later.result.ok);
});

it('says how it ended when it has no answer', async () => {
  await assert.rejects(readApart(file('ends.mjs', 'process.exit(3)'), [], {}), /without it \(exit code 3\)/);
  const killed = file('killed.mjs', "process.kill(process.pid, 'SIGKILL')");
  await assert.rejects(readApart(killed, [], {}), /without it \(SIGKILL\)/);
});
