import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { acceptReturnUrl, type ReturnTarget, resolveReturnUrl } from '../../src/application/return-url.js';
import { returnTarget } from '../kit/application.js';

const single = returnTarget('https://app.example.com');
const ported = returnTarget('http://app.localhost:8080');
const domain = returnTarget('https://auth.example.com', 'example.com');

describe('rd that is accepted', () => {
  const cases: [ReturnTarget, string, string][] = [
    [single, 'rd=https://app.example.com/a?b=1&c=2', 'https://app.example.com/a?b=1&c=2'],
    [single, `rd=${encodeURIComponent('https://app.example.com/a?b=1&c=2')}`, 'https://app.example.com/a?b=1&c=2'],
    [single, `rd=${encodeURIComponent('https://app.example.com/a?b=1')}&foo=1`, 'https://app.example.com/a?b=1'],
    [single, 'rd=https://app.example.com%2Fa%3Fb%3D1%26c%3D2', 'https://app.example.com/a?b=1&c=2'],
    [single, 'foo=1&rd=/a?b=1&c=2', 'https://app.example.com/a?b=1&c=2'],
    [single, 'rd=%2Fa%3Fb%3D1', 'https://app.example.com/a?b=1'],
    [single, 'rd=/a%252Fb', 'https://app.example.com/a%252Fb'],
    [single, 'rd=https://APP.example.com', 'https://app.example.com/'],
    [single, 'rd=https://app.example.com:443/x', 'https://app.example.com/x'],
    [single, 'rd=http://app.example.com/x', 'https://app.example.com/x'],
    [single, 'rd=https://app.example.com?x=1', 'https://app.example.com/?x=1'],
    [ported, 'rd=http://app.localhost:8080/x', 'http://app.localhost:8080/x'],
    [domain, 'rd=https://deep.app.example.com/x', 'https://deep.app.example.com/x'],
    [domain, 'rd=https://example.com/x', 'https://example.com/x'],
    [domain, 'rd=https://app.example.com:8443/x', 'https://app.example.com:8443/x'],
    [domain, 'rd=/x', 'https://auth.example.com/x'],
    [single, 'rd=/%09/evil.com', 'https://app.example.com/%09/evil.com'],
  ];
  for (const [target, query, expected] of cases)
    it(query, () => assert.equal(resolveReturnUrl(query, target), expected));
});

describe('rd that leads home', () => {
  const hostile = [
    '//evil.com',
    '/\\evil.com',
    '\\\\evil.com',
    'javascript:alert(1)',
    'data:text/html,x',
    'https:evil.com',
    'https:///evil.com',
    'https://evil.com/',
    'https://app.example.com.evil.com/',
    'https://evilapp.example.com.co/',
    'https://x@app.example.com/',
    'https://app.example.com@evil.com/',
    'https://app.example.com:81/',
    'https://app.example.com%2eevil.com/',
    'https://app.example.com%5c@evil.com',
    'https://app%E3%80%82example.com/',
    'https://app.example.com\t/',
    'https://app.exa\nmple.com/',
    ' https://evil.com',
    'http%3A%2F%2Fevil.com',
    '%2F%2Fevil.com',
    '%5Cevil.com',
    '%2F%5Cevil.com',
    'https%3A%2F%2Fapp.example.com%40evil.com',
    '/akprox/start',
    '/akprox/sign_out?x',
    '/outpost.goauthentik.io/callback',
    '/x/../akprox/start',
    '/%2e%2e/akprox/start',
    '',
    'x',
    '?x',
    'https://',
    'ftp://app.example.com/',
    `/${'x'.repeat(3_000)}`,
    'https://app.example.com/%zz%2f'.replace('%zz%2f', '\u0000'),
  ];
  for (const rd of hostile) {
    it(JSON.stringify(rd.slice(0, 60)), () =>
      assert.equal(resolveReturnUrl(`rd=${rd}`, single), 'https://app.example.com/'),
    );
  }

  it('in domain mode on a label boundary only', () => {
    for (const rd of [
      'https://evilexample.com/',
      'https://example.com.evil.com/',
      'https://example.co/',
      'https://com/',
    ]) {
      assert.equal(resolveReturnUrl(`rd=${rd}`, domain), 'https://auth.example.com/');
    }
  });

  it('when there is none', () => {
    for (const query of [undefined, '', 'xrd=/x', 'a=rd=/x'])
      assert.equal(resolveReturnUrl(query, single), 'https://app.example.com/');
  });
});

describe('rd of any kind', () => {
  const piece = fc.constantFrom(
    ...[
      'https:',
      'http:',
      '/',
      '//',
      '\\',
      '@',
      ':',
      '?',
      '#',
      '&',
      '.',
      '%2f',
      '%2F',
      '%5c',
      '%40',
      '%3a',
      '%2e',
      '%00',
      '\t',
      ' ',
    ],
    ...[
      'app.example.com',
      'example.com',
      'evil.com',
      'evilexample.com',
      ':443',
      ':81',
      'akprox',
      'start',
      '..',
      '\u3002',
      '\uff0f',
      'x',
    ],
  );
  const hostile = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));

  it('never leads a browser elsewhere', () => {
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string(), fc.webUrl()), (rd) => {
        assert.equal(new URL(resolveReturnUrl(`rd=${rd}`, single)).origin, 'https://app.example.com');
        const there = new URL(resolveReturnUrl(`rd=${rd}`, domain));
        assert.ok(there.hostname === 'example.com' || there.hostname.endsWith('.example.com'), there.href);
        assert.match(there.protocol, /^https?:$/);
      }),
      { numRuns: 3_000 },
    );
  });

  it('accepted once is accepted again, unchanged', () => {
    fc.assert(
      fc.property(hostile, (rd) => {
        const accepted = acceptReturnUrl(rd, domain);
        if (accepted !== null) assert.equal(acceptReturnUrl(accepted, domain), accepted);
      }),
      { numRuns: 3_000 },
    );
  });
});
