import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isAllowed } from '../../src/application/access.js';
import { readClaims } from '../../src/application/claims.js';

const allows = (rule: Partial<Parameters<typeof isAllowed>[0]>, claims: Record<string, unknown>): boolean =>
  isAllowed({ groups: [], emails: [], email_domains: [], ...rule }, readClaims(claims));

describe('the access rule, against hostile claims', () => {
  it('counts an address with exactly one @ only', () => {
    for (const email of [
      '',
      '@',
      'company.tld',
      '@company.tld',
      'a@',
      'a@@company.tld',
      'a@evil.com@company.tld',
      'a@company.tld@',
      '"a@b"@company.tld',
    ])
      assert.ok(!allows({ email_domains: ['company.tld', ''], emails: [email] }, { email }), email);
  });

  it('compares domains whole', () => {
    for (const email of [
      'a@evilcompany.tld',
      'a@sub.company.tld',
      'a@company.tld.evil',
      'a@company.tld.',
      'a@ company.tld',
      'a@company.tld\n',
      'a@tld',
    ])
      assert.ok(!allows({ email_domains: ['company.tld'] }, { email }), JSON.stringify(email));
    for (const email of ['a@company.tld', 'a@evilcompany.tld', 'a@.company.tld'])
      assert.ok(!allows({ email_domains: ['.company.tld'] }, { email }), email);
    assert.ok(allows({ email_domains: ['.company.tld'] }, { email: 'a@x.y.Company.TLD' }));
    assert.ok(!allows({ email_domains: ['.'] }, { email: 'a@x.' }));
  });

  it('folds case in ASCII only: the Kelvin sign is not a k', () => {
    assert.ok(!allows({ emails: ['kim@company.tld'] }, { email: '\u212Aim@company.tld' }));
    assert.ok(!allows({ email_domains: ['kompany.tld'] }, { email: 'a@\u212Aompany.tld' }));
    assert.ok(allows({ emails: ['Kim@Company.tld'] }, { email: 'kIM@cOMPANY.tld' }));
  });

  it('believes no address that the provider says is unverified, but still the groups', () => {
    const claims = { email: 'a@company.tld', email_verified: false, groups: ['staff'] };
    assert.ok(!allows({ emails: ['a@company.tld'], email_domains: ['company.tld'] }, claims));
    assert.ok(allows({ emails: ['a@company.tld'], groups: ['staff'] }, claims));
    assert.ok(allows({}, claims));
  });

  it('compares groups exactly, and only lists of strings are groups', () => {
    for (const groups of [['Staff'], ['staff '], ['staff|x'], 'staff', { 0: 'staff' }, [['staff']], null])
      assert.ok(!allows({ groups: ['staff'] }, { groups }), JSON.stringify(groups));
  });

  it('lets nobody in by a claim that is not in the rule', () => {
    const word = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(word, fc.array(word), (email, groups) => {
        fc.pre(!groups.includes('staff') && email.toLowerCase() !== 'a@company.tld');
        const domain = email.split('@').at(-1) ?? '';
        fc.pre(domain.toLowerCase() !== 'company.tld');
        assert.ok(
          !allows({ groups: ['staff'], emails: ['a@company.tld'], email_domains: ['company.tld'] }, { email, groups }),
        );
      }),
    );
  });
});
