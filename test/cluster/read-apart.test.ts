// The process that reads the configuration.
import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Read, readApart } from '../../src/cluster/read-apart.js';
import type { Env } from '../../src/config/environment.js';
import { createFakeTimers } from '../kit/fake-timers.js';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'akprox-read-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const read = (file: string | undefined, env: Env, ...more: string[]): Promise<Read> =>
  readApart({ program: MAIN, args: ['--read-configuration', file ?? '', ...more], env, file }, null);

for (const [how, named] of [
  ['AKPROX_CONFIG=<(…)', false],
  ['--config <(…)', true],
] as const) {
  it(`reads a configuration that is a descriptor, as from ${how} in a shell`, async () => {
    const descriptor = openSync(file('akprox.yaml', 'workers: 3\nlisten: { https: null }\n'), 'r');
    try {
      const path = `/dev/fd/${descriptor}`;
      const { result, selfSigned } = await (named
        ? read(path, { AKPROX_CONFIG: 'none' }, '--at-start')
        : read(undefined, { AKPROX_CONFIG: path }, '--at-start'));
      assert.ok(result.ok);
      assert.equal(result.config.workers, 3);
      assert.equal(selfSigned, null);
    } finally {
      closeSync(descriptor);
    }
  });
}

it('makes a certificate at the start of an HTTPS listener only', async () => {
  const env = { AKPROX_CONFIG: file('https.yaml', 'workers: 1\n') };
  const [atStart, later] = await Promise.all([read(undefined, env, '--at-start'), read(undefined, env)]);
  assert.match(atStart.selfSigned?.cert ?? '', /^-----BEGIN CERTIFICATE-----/);
  assert.equal(later.selfSigned, null);
  assert.ok(later.result.ok);
});

it('says how it ended when it has no answer', async () => {
  const readBy = (program: string): Promise<Read> => readApart({ program, args: [], env: {}, file: undefined }, null);
  await assert.rejects(readBy(file('ends.mjs', 'process.exit(3)')), /without it \(exit code 3\)/);
  const killed = file('killed.mjs', "process.kill(process.pid, 'SIGKILL')");
  await assert.rejects(readBy(killed), /without it \(SIGKILL\)/);
});

it('ends it when it takes too long for a daemon that runs', async () => {
  const timers = createFakeTimers({ time: 0 });
  // It ends with this process, should nobody kill it.
  const program = file('waits.mjs', "process.on('disconnect', () => process.exit());");
  const reading = readApart({ program, args: [], env: {}, file: undefined }, timers);
  await Promise.all([assert.rejects(reading, /it took longer than 60 s/), timers.advance(60_000)]);
});
