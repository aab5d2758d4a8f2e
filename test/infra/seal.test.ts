import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { seal, unseal } from '../../src/infra/seal.js';

describe('sealing', () => {
  const key = randomBytes(32);
  const plain = Buffer.from('alice@example.com');

  it('opens under the same key and context only', () => {
    const sealed = seal(key, 'here', plain);
    assert.deepEqual(unseal(key, 'here', sealed), plain);
    assert.equal(unseal(key, 'there', sealed), null);
    assert.equal(unseal(randomBytes(32), 'here', sealed), null);
    assert.equal(sealed.includes('alice'), false);
  });

  it('never seals the same way twice', () => {
    assert.notDeepEqual(seal(key, 'here', plain), seal(key, 'here', plain));
  });

  it('refuses every truncation and every flipped byte', () => {
    const sealed = seal(key, 'here', plain);
    for (let i = 0; i < sealed.length; i += 1) {
      assert.equal(unseal(key, 'here', sealed.subarray(0, i)), null);
      const changed = Buffer.from(sealed);
      changed[i] = (changed[i] ?? 0) ^ 1;
      assert.equal(unseal(key, 'here', changed), null);
    }
  });
});
