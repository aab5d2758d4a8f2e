import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { compileAllowList } from '../../src/application/allow-list.js';
import { decodePathOnce, type ForwardUrl, parseAbsolute, parseForwardUrl } from '../../src/application/forward-url.js';

const url = (uri: string, host = 'app.example.com', proto = 'https'): ForwardUrl => {
  const parsed = parseForwardUrl(proto, host, uri);
  assert.ok(parsed, uri);
  return parsed;
};

describe('a forward URL', () => {
  it('keeps path and query as they came', () => {
    assert.deepEqual(url('/a%2Fb?x=%20&y'), {
      scheme: 'https',
      host: 'app.example.com',
      path: '/a%2Fb',
      query: 'x=%20&y',
      href: 'https://app.example.com/a%2Fb?x=%20&y',
    });
  });

  it('takes ws and wss for http and https, and drops default ports', () => {
    assert.equal(url('/', 'a.b:443', 'wss').href, 'https://a.b/');
    assert.equal(url('/', 'a.b:80', 'ws').href, 'http://a.b/');
    assert.equal(parseAbsolute('https://a.b')?.href, 'https://a.b/');
    assert.equal(parseAbsolute('HTTPS://A.b:8443/x?y')?.href, 'https://a.b:8443/x?y');
  });

  for (const bad of ['', 'x', 'http://evil/', '/a b', '/a\tb', '/a\r\nb', '/a#b', '/a\\b', '/\u007f']) {
    it(`is refused with the path ${JSON.stringify(bad)}`, () =>
      assert.equal(parseForwardUrl('https', 'a.b', bad), null));
  }
  for (const bad of [
    '',
    'a.b/x',
    '//a.b/x',
    'https:/a.b',
    'https:///x',
    'https://u@a.b/',
    'ftp://a.b/',
    'https://a.b?x',
  ]) {
    it(`${JSON.stringify(bad)} is no X-Original-URL`, () => assert.equal(parseAbsolute(bad), null));
  }
});

describe('a path decoded once', () => {
  const cases: [string, string | null][] = [
    ['/a%20b', '/a b'],
    ['/%252e', '/%2e'],
    ['/%C3%A9', '/é'],
    ['/a..b/...', '/a..b/...'],
    ['/a%2fb', null],
    ['/a%5Cb', null],
    ['/%00', null],
    ['/%zz', null],
    ['/%', null],
    ['/..', null],
    ['/%2e%2E/x', null],
    ['/.%2e/', null],
    ['/./x', null],
    ['/%ff', null],
    ['/%0a', null],
  ];
  for (const [path, expected] of cases) it(`${path} → ${expected}`, () => assert.equal(decodePathOnce(path), expected));

  it('never has a dot segment, a backslash or a control character', () => {
    const pieces = fc.array(fc.constantFrom('.', '%2e', '/', '%2f', '%5c', '\\', '%25', '2e', 'a', '%0d', '%c0%ae'), {
      maxLength: 10,
    });
    fc.assert(
      fc.property(pieces, (parts) => {
        const decoded = decodePathOnce(`/${parts.join('')}`);
        if (decoded === null) return;
        assert.ok(!decoded.split('/').some((segment) => segment === '..' || segment === '.'));
        // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
        assert.doesNotMatch(decoded, /[\\\u0000-\u001f]/);
      }),
      { numRuns: 3_000 },
    );
  });
});

describe('an allow-list', () => {
  it('sees the path in forward_single, the whole URL in forward_domain', () => {
    const single = compileAllowList(['^/public/', '\\.png$'], 'forward_single').allowList;
    assert.ok(single.matches(url('/public/x?y')));
    assert.ok(single.matches(url('/a/b.png?v=1')));
    assert.ok(!single.matches(url('/x?/public/')));
    assert.ok(!single.matches(url('/private?x=.png')));
    const whole = compileAllowList(['^https://app\\.example\\.com/public/'], 'forward_domain').allowList;
    assert.ok(whole.matches(url('/public/x')));
    assert.ok(!whole.matches(url('/public/x', 'other.example.com')));
    assert.ok(!whole.matches(url('/x?https://app.example.com/public/')));
  });

  it('matches nothing that is spelled ambiguously', () => {
    const all = compileAllowList(['.*'], 'forward_single').allowList;
    for (const path of ['/a%2fb', '/..', '/%2e%2e/x', '/%00', '/%zz', '/a%5cb'])
      assert.ok(!all.matches(url(path)), path);
    assert.ok(!all.matches(url(`/${'x'.repeat(9_000)}`)));
  });

  it('drops blank lines and reports bad ones', () => {
    const { allowList, bad } = compileAllowList(['', '  ', '(?!x)', '(', '^/ok$'], 'forward_single');
    assert.ok(!allowList.matches(url('/anything')));
    assert.ok(allowList.matches(url('/ok')));
    assert.deepEqual(
      bad.map(({ index }) => index),
      [2, 3],
    );
  });

  it('takes linear time', () => {
    const { allowList } = compileAllowList(['^/(a+)+$'], 'forward_single');
    // A backtracking engine would need longer than the universe exists.
    assert.ok(!allowList.matches(url(`/${'a'.repeat(8_000)}!`)));
  });
});
