import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { anchorsTheEnd, compileAllowList } from '../../src/application/allow-list.js';
import { decodePathOnce, parseForwardUrl } from '../../src/application/forward-url.js';

const matches = (lines: readonly string[], mode: 'forward_single' | 'forward_domain', uri: string): boolean => {
  const url = parseForwardUrl('https', 'app.example.com', uri);
  assert.ok(url, uri);
  return compileAllowList(lines, mode).allowList.matches(url);
};

describe('the allow-list, against hostile paths', () => {
  it('matches nothing that an application may read as another path', () => {
    for (const path of [
      '/a%2fb',
      '/a%5cb',
      '/%2e%2e/a',
      '/a/../b',
      '/./a',
      '/a%00',
      '/a%0a',
      '/%zz',
      '/%ff',
      '/public/..;/admin',
    ])
      for (const mode of ['forward_single', 'forward_domain'] as const) assert.ok(!matches(['.*'], mode, path), path);
  });

  it('matches nothing that reads differently once more decoded', () => {
    for (const path of [
      '/public/%252e%252e/admin',
      '/public%252fx',
      '/a%255cb',
      '/a%2500',
      '/secret%23/public/',
      '/secret%3f/public/',
    ])
      for (const mode of ['forward_single', 'forward_domain'] as const) assert.ok(!matches(['.*'], mode, path), path);
    assert.ok(matches(['^/100%$'], 'forward_single', '/100%25'));
  });

  it('is found by every spelling of an allowed path, and searched without an anchor', () => {
    assert.ok(matches(['^/public/'], 'forward_single', '/%70ublic/x'));
    assert.ok(matches(['public'], 'forward_single', '/x/public/y'));
    assert.ok(!matches(['^/public/'], 'forward_single', '/PUBLIC/'));
  });

  it('matches nothing with raw bytes in its path', () => {
    for (const path of ['/\xe9', '/public/\xc0\xaf', '/日本語/', '/\x80', '/x\xa0'])
      for (const mode of ['forward_single', 'forward_domain'] as const) {
        assert.ok(!matches(['.*'], mode, path), path);
        assert.ok(matches(['.*'], mode, encodeURI(path)), path);
      }
    assert.ok(matches(['^/x$'], 'forward_single', '/x?\xe9'));
  });

  it('of a domain sees the decoded path, and the query with its question mark', () => {
    assert.ok(matches(['^https://app\\.example\\.com/a b$'], 'forward_domain', '/a%20b'));
    // Raw bytes that were the whole query are gone.
    assert.ok(!matches(['^https://app\\.example\\.com/a b$'], 'forward_domain', '/a%20b?'));
    assert.ok(matches(['^https://app\\.example\\.com/a b\\?$'], 'forward_domain', '/a%20b?'));
    assert.ok(matches(['^https://app\\.example\\.com/a b\\?x=%20$'], 'forward_domain', '/a%20b?x=%20'));
  });

  it('is bounded, and the empty list matches nothing', () => {
    assert.ok(matches(['.*'], 'forward_single', `/${'a'.repeat(8_000)}`));
    assert.ok(!matches(['.*'], 'forward_single', `/${'a'.repeat(8_192)}`));
    assert.ok(!matches(['.*'], 'forward_single', `/?${'a'.repeat(8_192)}`));
    for (const lines of [[], [''], ['\t', '\r']])
      assert.ok(!matches(lines, 'forward_single', '/'), JSON.stringify(lines));
  });

  it('reports what RE2 does not have, and keeps the rest', () => {
    const { bad } = compileAllowList(['^/a$', '(?=a)', '', '(a)\\1', '[', '((a{1000}){1000}){1000}'], 'forward_single');
    assert.deepEqual(
      bad.map(({ index, line }) => [index, line]),
      [
        [1, '(?=a)'],
        [3, '(a)\\1'],
        [4, '['],
        [5, '((a{1000}){1000}){1000}'],
      ],
    );
    for (const { message } of bad) assert.notEqual(message, '');
    assert.ok(matches(['(', '^/a\r'], 'forward_single', '/a'));
  });

  it('never matches a path that does not decode', () => {
    const { allowList } = compileAllowList(['.*', '^'], 'forward_single');
    const piece = fc.constantFrom('/', '..', '%2e', '%2f', '%5c', '%00', '%', 'a', ';', '%252e', '%23');
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const url = parseForwardUrl('https', 'a.example', `/${pieces.join('')}`);
        if (url !== null && decodePathOnce(url.path) === null) assert.ok(!allowList.matches(url), url.path);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('an expression that says where the URL ends', () => {
  for (const yes of ['^/$', '^/a$|^/b', '^/a\\z', '\\.png$', '(^/a$)', '[a]$', '\\Qa\\E$', '\\\\$', '(?m)^/a$'])
    it(`is ${yes}`, () => assert.ok(anchorsTheEnd(yes)));
  for (const no of ['^/a', '^/a\\$', '[$]', '^/[^]$]x', '[\\]$]', '\\Q$\\E', '\\Q$', '[[:alpha:]$]', '\\pL', ''])
    it(`is not ${JSON.stringify(no)}`, () => assert.ok(!anchorsTheEnd(no)));

  it('is the only kind that opens when the end of the URL is not seen', () => {
    const expressions = ['^/a', 'a', '^/a/?', '/(a|b)', '^/a\\b', '^/.', '[^b]', '^/a{2}', '\\.png'].filter(
      (e) => !anchorsTheEnd(e),
    );
    const piece = fc.constantFrom('a', 'b', '/', '.png', 'é');
    fc.assert(
      fc.property(
        fc.array(piece),
        fc.constantFrom(...expressions),
        fc.constantFrom('%C3%A9', '%F0%9F%8D%90'),
        (path, expression, tail) => {
          const seen = `/${encodeURI(path.join(''))}`;
          if (decodePathOnce(seen + tail) === null) return;
          if (matches([expression], 'forward_single', seen))
            assert.ok(matches([expression], 'forward_single', seen + tail));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
