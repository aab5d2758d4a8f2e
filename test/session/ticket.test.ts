import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { issueTicket, TICKET_LENGTH, verifyTicket } from '../../src/session/ticket.js';
import { makeApplication } from '../kit/application.js';

describe('the session cookie', () => {
  const application = makeApplication();

  it('is verified by the provider that issued it, and by no other', () => {
    const { cookie, ticket } = issueTicket(application);
    assert.equal(cookie.length, TICKET_LENGTH);
    assert.deepEqual(verifyTicket(application, cookie), ticket);
    assert.equal(verifyTicket(makeApplication({ name: 'other' }), cookie), null);
    assert.equal(
      verifyTicket(makeApplication({ cookie_secret: 'another-secret-another-secret-another' }), cookie),
      null,
    );
  });

  it('is refused when any one character differs', () => {
    const { cookie } = issueTicket(application);
    for (let i = 0; i < cookie.length; i += 1) {
      const other = cookie[i] === 'A' ? 'B' : 'A';
      assert.equal(verifyTicket(application, cookie.slice(0, i) + other + cookie.slice(i + 1)), null, `character ${i}`);
    }
  });

  it('is refused when a letter beyond Latin-1 has the low byte of the right one', () => {
    const { cookie } = issueTicket(application);
    assert.notEqual(verifyTicket(application, cookie), null);
    for (let i = 0; i < cookie.length; i += 1) {
      const alike = String.fromCharCode(cookie.charCodeAt(i) + 0x100);
      assert.equal(verifyTicket(application, cookie.slice(0, i) + alike + cookie.slice(i + 1)), null, `character ${i}`);
    }
  });

  it('is refused, without an exception, for whatever a client may send', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: 'binary', minLength: TICKET_LENGTH, maxLength: TICKET_LENGTH })),
        (text) => {
          assert.equal(verifyTicket(application, text), null);
        },
      ),
    );
  });
});
