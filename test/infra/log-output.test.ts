import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { LogOutput } from '../../src/infra/log-output.js';

const directory = mkdtempSync(join(tmpdir(), 'akprox-test-'));
after(() => rmSync(directory, { recursive: true }));

test('whoever waits for the lines that are written finds all of them', async () => {
  const path = join(directory, 'log');
  const fd = openSync(path, 'w');
  const output = new LogOutput(fd, Date.now);
  await output.written();
  for (let round = 1; round <= 50; round += 1) {
    for (let line = 0; line < 20; line += 1) output.write(`${round}\n`);
    await output.written();
    assert.equal(readFileSync(path, 'utf8').split('\n').length - 1, round * 20);
  }
  closeSync(fd);
});

test('a reader that stands still is not waited for', async () => {
  const path = join(directory, 'pipe');
  execFileSync('mkfifo', [path]);
  // Both ends are ours, and nobody reads.
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const output = new LogOutput(fd, Date.now);
  for (let i = 0; i < 40; i += 1) output.write(`${'x'.repeat(8_191)}\n`);
  await Promise.all([output.written(), output.written()]);
  // And nothing is lost by it, once somebody reads.
  const chunk = Buffer.alloc(1_048_576);
  for (let bytes = 0; bytes < 40 * 8_192; await output.written()) {
    try {
      bytes += readSync(fd, chunk);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
    }
  }
  closeSync(fd);
});
