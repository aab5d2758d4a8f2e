import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { makeDirectory } from '../../src/infra/make-directory.js';

const directory = mkdtempSync(join(tmpdir(), 'akprox-make-'));
after(() => rmSync(directory, { recursive: true, force: true }));

describe('makeDirectory', () => {
  it('makes those above too, with the mode, and is content with what is there', () => {
    const path = join(directory, 'a', 'b', 'c');
    for (const _ of [1, 2]) makeDirectory(path, 0o700);
    assert.equal(statSync(path).mode & 0o777, 0o700);
    assert.equal(statSync(join(directory, 'a')).mode & 0o777, 0o700);
  });

  it('says what is in the way', () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    assert.throws(() => makeDirectory(file, 0o700), { code: 'EEXIST' });
    assert.throws(() => makeDirectory(join(file, 'below'), 0o700), { code: 'ENOTDIR' });
  });

  it('comes back where nothing can be made, with an error', {
    skip: process.platform !== 'linux' && 'there is no /proc',
  }, () => {
    assert.throws(() => makeDirectory('/proc/akprox/data', 0o700), { code: 'ENOENT' });
  });
});
