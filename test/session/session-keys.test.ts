import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { indexHash, sessionKey } from '../../src/session/session-keys.js';
import { makeApplication } from '../kit/application.js';

describe('keys of sessions', () => {
  it('stay what they are, or every session that is stored would be lost', () => {
    assert.equal(
      sessionKey(Buffer.alloc(32, 7).toString('base64url')).toString('hex'),
      '39136dec48fed6387a7339ef333910fbe80dbd36acdaec5235a8650e631a35c7',
    );
  });

  it('derives another key from another id, and hashes per provider and kind', () => {
    assert.notDeepEqual(
      sessionKey(randomBytes(32).toString('base64url')),
      sessionKey(randomBytes(32).toString('base64url')),
    );
    const one = makeApplication();
    const two = makeApplication({ name: 'two' });
    assert.notEqual(indexHash(one, 'sub', 'x'), indexHash(two, 'sub', 'x'));
    assert.notEqual(indexHash(one, 'sub', 'x'), indexHash(one, 'sid', 'x'));
  });
});
