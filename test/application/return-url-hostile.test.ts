import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { acceptReturnUrl, type ReturnTarget, resolveReturnUrl } from '../../src/application/return-url.js';
import { returnTarget } from '../kit/application.js';

const single = returnTarget('https://app.example.com');
const domain = returnTarget('https://auth.example.com', 'example.com');
const home = (target: ReturnTarget): string => `${target.origin}/`;

/** Everything a link may carry that must not lead away, for `app.example.com` and for everything below `example.com`. */
const HOSTILE = [
  ...[
    '//evil.com',
    '///evil.com',
    '/\\evil.com',
    '\\/evil.com',
    '\\\\evil.com',
    '/\t/evil.com',
    '/\n/evil.com',
    '/ /evil.com',
  ],
  ...[
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java\nscript:alert(1)',
    'javascript://app.example.com/%0aalert(1)',
    'data:text/html,x',
    'vbscript:x',
  ],
  ...[
    'https:evil.com',
    'https:/evil.com',
    'https:///evil.com',
    'https:\\\\evil.com',
    'https:app.example.com',
    'https:/app.example.com',
    'https:///app.example.com',
  ],
  ...[
    'http://app@evil.com',
    'https://app.example.com@evil.com/',
    'https://app.example.com:443@evil.com/',
    'https://u:p@app.example.com/',
    'https://@app.example.com/',
  ],
  ...[
    'https://app.example.com.evil.com',
    'https://evil.com/app.example.com',
    'https://evil.com?.example.com',
    'https://evil.com#.example.com',
    'https://evil.com#@app.example.com/',
  ],
  ...[
    'https://evil.com\\.example.com',
    'https://evil.com\\@app.example.com/',
    'https://evil.com/\\app.example.com',
    'https://evil.com%23.example.com',
    'https://evil.com%00.example.com',
  ],
  ...[
    'https://app.example.com%2eevil.com',
    'https://app.example.com%5c.evil.com',
    'https://app.example.com%40evil.com',
    'https://app.example.com%09.evil.com',
    'https://app%2eexample%2ecom/',
  ],
  ...[
    'https://evil.com\u3002example.com.evil.com',
    'https://app\u3002example\u3002com',
    'https://app\uFF0Eexample.com',
    'https://app\uFF61example.com',
    'https://\u24B6pp.example.com',
    'https://app.example.com\uFF0Fevil.com',
    'https://app.example\u00AD.com',
  ],
  ...[
    'https://app.example.com\r\n.evil.com',
    'https://app.example.com\t',
    ' https://app.example.com',
    'https://app.example.com ',
    'https://app.exa\tmple.com',
    '\u0000https://app.example.com',
  ],
  ...[
    'https://app.example.com:/',
    'https://app.example.com:0/',
    'https://app.example.com:65536/',
    'https://app.example.com:0443/',
    'https://app.example.com:44３/',
    'https://app.example.com..',
  ],
  ...[
    'https://[::1]/',
    'https://2130706433/',
    'https://127.0.0.1/',
    'https://localhost/',
    'https://com/',
    'https://evilexample.com/',
    'https://example.com.evil/',
  ],
  ...[
    'ftp://app.example.com/',
    'ws://app.example.com/',
    'file:///etc/passwd',
    'blob:https://app.example.com/x',
    'view-source:https://app.example.com',
    'http',
    'https',
    'https:',
    'https:/',
    'https://',
    'x',
    '.',
    '..',
    '?',
    '#',
    '@evil.com',
    '.evil.com',
    ':80',
  ],
];

describe('rd, against hostile links', () => {
  it('leads home, raw, encoded and half-encoded', () => {
    for (const target of [single, domain]) {
      for (const link of HOSTILE) {
        const half = link.replace(/^(https?:\/\/)(.*)$/is, (_, scheme, rest) => scheme + encodeURIComponent(rest));
        for (const value of [link, half, ...(link.isWellFormed() ? [encodeURIComponent(link)] : [])])
          assert.equal(resolveReturnUrl(`rd=${value}`, target), home(target), JSON.stringify(value));
      }
    }
  });

  it('keeps to the port in forward_single', () => {
    for (const link of [
      'https://app.example.com:80/',
      'https://app.example.com:8443/',
      'http://app.example.com:443/',
      'http://app.example.com:80/x',
    ])
      assert.equal(acceptReturnUrl(link, single), null, link);
    for (const link of [
      'https://app.example.com/',
      'https://app.example.com:443/',
      'https://sub.app.example.com:8443/',
      'https://example.com:8443/',
    ])
      assert.equal(acceptReturnUrl(link, returnTarget('https://app.example.com:8443')), null, link);
  });

  it('is https where the origin is, unless the port was written out', () => {
    assert.equal(acceptReturnUrl('http://app.example.com/x', single), 'https://app.example.com/x');
    assert.equal(
      acceptReturnUrl('http://app.example.com:8443/x', returnTarget('https://app.example.com:8443')),
      'https://app.example.com:8443/x',
    );
    assert.equal(acceptReturnUrl('http://x.example.com/y', domain), 'https://x.example.com/y');
    assert.equal(acceptReturnUrl('http://x.example.com:8080/y', domain), 'http://x.example.com:8080/y');
    assert.equal(
      acceptReturnUrl('http://app.example.com/x', returnTarget('http://app.example.com')),
      'http://app.example.com/x',
    );
    assert.equal(
      acceptReturnUrl('https://app.example.com/x', returnTarget('http://app.example.com')),
      'https://app.example.com/x',
    );
  });

  it('never leads to a step of ours, however it is spelled', () => {
    for (const prefix of ['/akprox', '/outpost.goauthentik.io']) {
      for (const step of ['start', 'callback', 'sign_out']) {
        const path = `${prefix}/${step}`;
        for (const link of [
          ...[
            path,
            `${path}?rd=/x`,
            `${path}/`,
            `${path}#x`,
            `${path};x`,
            `/x/..${path}`,
            `/.${path}`,
            `/%2e%2e${path}`,
            `//${path}`.slice(1),
          ],
          ...[
            path.replace('s', '%73').replace('k', '%6b'),
            `/x/${path}`.replace('/x/', '/x/..//'),
            path.replaceAll('/', '//').slice(1),
          ],
          ...[path.slice(0, 1) + path.slice(1).replace('/', '%2f'), `/x%2f..${path}`],
        ]) {
          assert.equal(acceptReturnUrl(link, single), null, link);
          assert.equal(acceptReturnUrl(`https://app.example.com${link}`, domain), null, link);
        }
      }
    }
    for (const query of [
      'X-authentik-logout=true',
      'a=b&X-authentik-auth-callback=true&code=x',
      'X%2Dauthentik-logout=TRUE',
    ])
      assert.equal(acceptReturnUrl(`/?${query}`, single), null, query);
    for (const path of ['/akprox/starts', '/akprox/ping', '/akprox', '/x/akprox/start', '/?x=/akprox/start'])
      assert.equal(acceptReturnUrl(path, single), `https://app.example.com${path}`);
  });

  it('is decoded at most once, and only what was encoded', () => {
    for (const [query, expected] of [
      ['rd=https%3A%2F%2Fapp.example.com%2Fa%252Fb', '/a%2Fb'],
      ['rd=https://app.example.com%2Fa%252Fb%3Fx%3D%2526', '/a%2Fb?x=%26'],
      ['rd=https://app.example.com/a%252Fb?x=%2526', '/a%252Fb?x=%2526'],
      ['rd=https://app.example.com/a%2Fb', '/a%2Fb'],
      ['rd=https://app.example.com%3Fx%3D1&foo=2', '/?x=1'],
      ['rd=https://app.example.com%2Fa%3Fx%3D1&foo=2', '/a?x=1'],
      ['rd=%2Fa%3Fx%3D1%26y&foo=2', '/a?x=1&y'],
      ['rd=https%3A//app.example.com/a%3Fx%3D1', '/a?x=1'],
      ['rd=https://app.example.com/a?x=1&y=2&rd=https://evil.com/', '/a?x=1&y=2&rd=https://evil.com/'],
      ['x=1&rd=/a?b&c', '/a?b&c'],
      ['rd=/a%zz', '/a%zz'],
      ['rd=%2Fa%zz', '/'],
      ['rd=%252Fa', '/'],
      ['rd=https%253A%252F%252Fapp.example.com%252Fa', '/'],
      ['%72d=/a', '/'],
      ['RD=/a', '/'],
      ['x=&xrd=/a', '/'],
      ['rd', '/'],
      ['rd=', '/'],
    ] as const)
      assert.equal(resolveReturnUrl(query, single), `https://app.example.com${expected}`, query);
  });

  it('is cut off where a URL gets too long, without a slow look at it', () => {
    const path = `/${'a'.repeat(2_047 - 'https://app.example.com'.length)}`;
    assert.equal(resolveReturnUrl(`rd=${path}`, single), `https://app.example.com${path}`);
    assert.equal(resolveReturnUrl(`rd=${path}a`, single), home(single));
    assert.equal(resolveReturnUrl(`rd=/${'ü'.repeat(1_000)}`, single), home(single));
    for (const piece of ['a', '%2f', '&rd', '&rd=', 'https://', '@', '/'])
      assert.equal(resolveReturnUrl(`rd=https://${piece.repeat(300_000)}`, single), home(single));
  });

  it('never names a host outside, as WHATWG reads it, and never echoes what a header or a page would stumble over', () => {
    const piece = fc.constantFrom(
      ...[
        'https://',
        'http://',
        'https%3A%2F%2F',
        '//',
        '/',
        '\\',
        '@',
        ':',
        '?',
        '#',
        '&',
        'rd=',
        '.',
        '%2f',
        '%5C',
        '%40',
        '%3a',
        '%2e',
        '%23',
        '%00',
        '%0d%0a',
        '%',
      ],
      ...['\t', '\n', ' ', '\0', '\u3002', '\uFF0F', '\uFF20', '\u00AD', '[', ']', '"', '<', 'a'],
      ...[
        'app.example.com',
        'example.com',
        '.evil.com',
        'evil.com',
        ':443',
        ':8443',
        'akprox/start',
        '..',
        'user:pass@',
      ],
    );
    const query = fc.oneof(
      fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join('')),
      fc.string({ unit: 'binary' }),
      fc.webUrl({ withQueryParameters: true, withFragments: true }),
    );
    fc.assert(
      fc.property(
        query,
        fc.constantFrom('', 'https://app.example.com', 'https%3A%2F%2Fapp.example.com'),
        (text, front) => {
          for (const target of [single, domain]) {
            const result = resolveReturnUrl(`rd=${front}${text}`, target);
            const url = new URL(result);
            assert.equal(url.href, result);
            assert.match(url.protocol, /^https?:$/);
            assert.equal(url.username + url.password + url.hash, '');
            if (target === single) assert.equal(url.origin, single.origin);
            else assert.match(url.hostname, /^(?:[a-z0-9_-]+\.)*example\.com$/);
            assert.match(result, /^[!#-;=?-~]+$/);
            assert.ok(result.length <= 2_048);
            assert.doesNotMatch(
              url.pathname,
              /^\/+(?:akprox|outpost\.goauthentik\.io)\/+(?:start|callback|sign_out)\/?$/,
            );
          }
        },
      ),
      { numRuns: 5_000 },
    );
  });

  it('keeps every ordinary address below the origin', () => {
    fc.assert(
      fc.property(fc.webUrl({ authoritySettings: {}, validSchemes: ['https'], withQueryParameters: true }), (any) => {
        const { pathname, search } = new URL(any);
        const wanted = `https://app.example.com${pathname}${search}`;
        fc.pre(wanted.length <= 2_048 && acceptReturnUrl(pathname, single) !== null);
        for (const rd of [
          wanted,
          encodeURIComponent(wanted),
          `https://app.example.com${encodeURIComponent(pathname + search)}`,
        ])
          assert.equal(resolveReturnUrl(`rd=${rd}`, single), wanted);
      }),
    );
  });
});
