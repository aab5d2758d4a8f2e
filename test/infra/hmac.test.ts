import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HmacSha256 } from '../../src/infra/hmac.js';

describe('HMAC-SHA-256 under a key that stays', () => {
  it('gives what node:crypto gives, for keys below and above a block', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 130 }),
        fc.string({ unit: 'grapheme-ascii', maxLength: 100 }),
        (key, text) => {
          const wanted = createHmac('sha256', key).update(text).digest('base64url');
          const hmac = new HmacSha256(key, text.length);
          assert.equal(hmac.mac(text), wanted);
          assert.equal(hmac.mac(text), wanted);
        },
      ),
    );
  });

  it('knows no MAC of a text of another length, counted in bytes', () => {
    const hmac = new HmacSha256(Buffer.from('key'), 4);
    for (const text of ['', 'abc', 'abcde', 'abcé', 'éabc', 'ab€d', '\ud800abc', 'abc\ud800']) {
      assert.equal(hmac.mac(text), null, text);
    }
    assert.notEqual(hmac.mac('abcd'), null);
  });
});
