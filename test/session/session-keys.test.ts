import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { firstRecordKey, indexHash, recordKey } from '../../src/session/session-keys.js';
import { makeApplication } from '../kit/application.js';

describe('keys of sessions', () => {
  it('stay what they are, or every session that is stored would be lost', () => {
    assert.equal(
      firstRecordKey(Buffer.alloc(32, 7).toString('base64url')).toString('hex'),
      '39136dec48fed6387a7339ef333910fbe80dbd36acdaec5235a8650e631a35c7',
    );
    assert.equal(
      recordKey(makeApplication(), Buffer.alloc(32, 7).toString('base64url')).toString('hex'),
      '591deb40a290fa17e8724555ca20666ac32246ce06b84cb475e44a68eacdbc87',
    );
  });

  it('derives another key from another id or for another application, and hashes per provider and kind', () => {
    const one = makeApplication();
    const two = makeApplication({ name: 'two' });
    const [id, other] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];
    assert.notDeepEqual(firstRecordKey(id), firstRecordKey(other));
    assert.notDeepEqual(recordKey(one, id), recordKey(one, other));
    assert.notDeepEqual(recordKey(one, id), recordKey(two, id));
    assert.notEqual(indexHash(one, 'sub', 'x'), indexHash(two, 'sub', 'x'));
    assert.notEqual(indexHash(one, 'sub', 'x'), indexHash(one, 'sid', 'x'));
  });
});
