import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isAllowed } from '../../src/application/access.js';
import { readClaims } from '../../src/application/claims.js';
import {
  blockHeaders,
  IDENTITY_NAMES,
  type IdentityFacts,
  identityHeaderNames,
  NO_TOKENS,
  renderIdentity,
} from '../../src/application/identity.js';

const facts: IdentityFacts = {
  name: 'whoami',
  families: ['akprox', 'authentik'],
  passJwt: false,
  assertion: false,
  jwksUri: 'https://idp/jwks',
  outpostName: 'akprox',
  applicationSlug: 'whoami',
  version: 'v',
  basicAuth: { enabled: false, user_attribute: '', password_attribute: 'pw' },
};
const alice = {
  sub: 'a1',
  email: 'alice@example.com',
  name: 'Älice',
  preferred_username: 'alice',
  groups: ['staff', 'a|b', 'a%7Cb'],
};
const render = (claims: Record<string, unknown> | null, changes: Partial<IdentityFacts> = {}, tokens = {}) => {
  const known = claims === null ? null : readClaims(claims);
  const block = renderIdentity({ ...facts, ...changes }, known, { ...NO_TOKENS, ...tokens });
  const headers = new Map(
    blockHeaders(block.bytes).map(([name, value]) => [name, Buffer.from(value, 'latin1').toString('utf8')]),
  );
  return { headers, dropped: block.dropped };
};
const attributes = (additionalHeaders: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  ...alice,
  ak_proxy: { user_attributes: { additionalHeaders, ...more } },
});

describe('identity headers', () => {
  it('are complete, in UTF-8, with groups that cannot be confused', () => {
    const { headers } = render(alice);
    assert.deepEqual(
      [...headers.keys()],
      ['Cache-Control', ...identityHeaderNames(['akprox', 'authentik'], false, false)],
    );
    assert.equal(headers.get('X-authentik-name'), 'Älice');
    assert.equal(headers.get('X-Auth-Groups'), 'staff|a%7Cb|a%257Cb');
    assert.equal(headers.get('X-authentik-entitlements'), '');
    assert.equal(headers.get('X-authentik-meta-jwks'), 'https://idp/jwks');
  });

  it('are complete and empty for nobody', () => {
    const { headers } = render(null, { passJwt: true, assertion: true }, { jwt: 'jwt', assertion: 'a.b.c' });
    for (const name of IDENTITY_NAMES) assert.equal(headers.get(name), '', name);
  });

  it('can be narrowed to a family, and carry the token and the assertion when asked', () => {
    assert.ok(!render(alice, { families: ['authentik'] }).headers.has('X-Auth-Username'));
    assert.equal(render(alice, { passJwt: true }, { jwt: 'e.y.J' }).headers.get('X-authentik-jwt'), 'e.y.J');
    assert.ok(!render(alice, {}, { jwt: 'e.y.J' }).headers.has('X-authentik-jwt'));
    assert.equal(render(alice, { assertion: true }, { assertion: 'a.b.c' }).headers.get('X-Akprox-Assertion'), 'a.b.c');
    assert.ok(!render(alice, {}, { assertion: 'a.b.c' }).headers.has('X-Akprox-Assertion'));
  });

  it('carry basic credentials when there is a password', () => {
    const basicAuth = { enabled: true, user_attribute: 'user', password_attribute: 'pw' };
    const basic = (more: Record<string, unknown>) =>
      render(attributes({}, more), { basicAuth }).headers.get('Authorization');
    assert.equal(basic({ user: 'u', pw: 'p' }), `Basic ${Buffer.from('u:p').toString('base64')}`);
    assert.equal(basic({ pw: 'p' }), `Basic ${Buffer.from('alice@example.com:p').toString('base64')}`);
    assert.equal(basic({ user: 'u' }), undefined);
    assert.equal(basic({ pw: 7 }), undefined);
  });

  it('let additional headers add, not replace', () => {
    const { headers } = render(
      attributes({
        'X-Team': 'red',
        'X-Number': 7,
        'X-Null': null,
        'X-Auth-Username': 'root',
        x_authentik_uid: '0',
        'Set-Cookie': 'a=b',
        Location: '/',
        'content-type': 'x',
        Connection: 'close',
        'X-Forwarded-Host': 'evil',
      }),
    );
    assert.equal(headers.get('X-Team'), 'red');
    assert.equal(headers.get('X-Number'), '7');
    assert.equal(headers.get('X-Null'), '');
    assert.equal(headers.get('X-Auth-Username'), 'alice');
    for (const name of ['x_authentik_uid', 'Set-Cookie', 'Location', 'content-type', 'Connection', 'X-Forwarded-Host'])
      assert.ok(!headers.has(name), name);
  });

  it('lose a value with a control character, and say so', () => {
    const { headers, dropped } = render({ ...alice, name: 'x\r\nSet-Cookie: a=b' });
    assert.equal(headers.get('X-authentik-name'), '');
    assert.deepEqual(dropped, ['X-authentik-name']);
  });

  it('never break out of their lines, whatever the claims are', () => {
    const wild = fc.string({ unit: 'binary' });
    const record = fc.dictionary(wild, fc.oneof(wild, fc.integer(), fc.constant(null)));
    fc.assert(
      fc.property(wild, fc.array(wild), record, (text, groups, extra) => {
        const claims = readClaims({
          ...attributes(extra),
          sub: text,
          name: text,
          email: text,
          preferred_username: text,
          groups,
        });
        const { bytes } = renderIdentity(facts, claims, NO_TOKENS);
        const lines = Buffer.from(bytes).toString('latin1').split('\r\n');
        assert.equal(lines[0], 'no-store');
        for (const line of lines.slice(1)) assert.match(line, /^[!#-'*+\-.0-9A-Z^-z|~]+: [^\r\n\0]*$/);
        const names = lines.slice(1).map((line) => line.slice(0, line.indexOf(':')).toLowerCase());
        assert.ok(!names.includes('set-cookie'));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('the access rule', () => {
  const rule = (parts: Record<string, string[]>) => ({ groups: [], emails: [], email_domains: [], ...parts });
  const cases: [string, Record<string, string[]>, Record<string, unknown>, boolean][] = [
    ['empty allows everyone', {}, {}, true],
    ['a group', { groups: ['staff'] }, alice, true],
    ['a group is case-sensitive', { groups: ['Staff'] }, alice, false],
    ['an address, in any case', { emails: ['Alice@Example.com'] }, alice, true],
    ['a domain', { email_domains: ['example.com'] }, alice, true],
    ['a domain is not a suffix', { email_domains: ['ample.com'] }, alice, false],
    ['a subdomain needs a dot', { email_domains: ['example.com'] }, { email: 'a@x.example.com' }, false],
    ['a subdomain with a dot', { email_domains: ['.example.com'] }, { email: 'a@x.example.com' }, true],
    ['two @ are refused', { email_domains: ['example.com'] }, { email: 'a@evil.com@example.com' }, false],
    ['unverified is refused', { emails: ['alice@example.com'] }, { ...alice, email_verified: false }, false],
    ['any match allows', { groups: ['x'], emails: ['alice@example.com'] }, alice, true],
    ['no match', { groups: ['x'] }, alice, false],
  ];
  for (const [what, parts, claims, expected] of cases)
    it(what, () => assert.equal(isAllowed(rule(parts), readClaims(claims)), expected));
});
