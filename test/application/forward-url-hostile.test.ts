import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { decodePathOnce, parseAbsolute, parseForwardUrl } from '../../src/application/forward-url.js';

describe('the forward URL', () => {
  it('is kept as it came', () => {
    assert.deepEqual(parseForwardUrl('https', 'App.example.com', '/a/../b%2f?x=1&y=/?z'), {
      scheme: 'https',
      host: 'app.example.com',
      path: '/a/../b%2f',
      query: 'x=1&y=/?z',
      href: 'https://app.example.com/a/../b%2f?x=1&y=/?z',
    });
  });

  it('drops a default port and takes WebSockets for HTTP', () => {
    assert.equal(parseForwardUrl('WSS', 'a.example:443', '/')?.href, 'https://a.example/');
    assert.equal(parseForwardUrl('ws', 'a.example:80', '/')?.href, 'http://a.example/');
    assert.equal(parseForwardUrl('http', 'a.example:443', '/')?.href, 'http://a.example:443/');
    assert.equal(parseForwardUrl('https', 'a.example', '//evil.com/')?.href, 'https://a.example//evil.com/');
  });

  it('is null for whatever is not scheme, host and origin form', () => {
    for (const proto of ['', 'ftp', 'javascript', 'https:', 'https,http', ' https', 'h2'])
      assert.equal(parseForwardUrl(proto, 'a.example', '/'), null, proto);
    for (const host of ['', 'a@b', 'a/b', 'a,b', 'a%2eb', 'a b'])
      assert.equal(parseForwardUrl('https', host, '/'), null, host);
    for (const uri of [
      '',
      'a',
      '*',
      '?x',
      '@evil.com',
      '.evil.com',
      ':80/',
      'https://evil.com/',
      '/a b',
      '/a#b',
      '/a\\b',
    ])
      assert.equal(parseForwardUrl('https', 'a.example', uri), null, uri);
    for (const uri of ['/\r\nX: y', '/a\tb', '/\0', '/\x7f', '\n/', `/${'a'.repeat(65_536)}`])
      assert.equal(parseForwardUrl('https', 'a.example', uri), null, JSON.stringify(uri.slice(0, 20)));
  });

  it('is read from X-Original-URL', () => {
    assert.equal(parseAbsolute('https://A.example:443/x?y=https://z/')?.href, 'https://a.example/x?y=https://z/');
    assert.equal(parseAbsolute('http://a.example')?.href, 'http://a.example/');
    for (const url of [
      '',
      '/x',
      '//a.example/',
      'https:/a.example/',
      'https:a.example',
      'https:///x',
      'https://',
      'https://u@a/',
    ])
      assert.equal(parseAbsolute(url), null, url);
    for (const url of [
      'https://a.example?x=/y',
      'https://a.example#/y',
      'https://a.example\\@b/',
      'x https://a.example/',
    ])
      assert.equal(parseAbsolute(url), null, url);
  });

  it('has the host that a browser would go to', () => {
    const uri = fc.string({ unit: 'binary' }).map((text) => `/${text}`);
    fc.assert(
      fc.property(
        fc.constantFrom('http', 'https', 'ws', 'wss'),
        fc.domain(),
        fc.oneof(uri, fc.webPath()),
        (proto, host, path) => {
          const url = parseForwardUrl(proto, host, path);
          if (url === null) return;
          assert.equal(new URL(url.href).host, url.host);
          assert.equal(`${url.scheme}:`, new URL(url.href).protocol);
          assert.deepEqual(parseAbsolute(url.href), url);
          assert.equal(url.href, `${url.scheme}://${url.host}${url.path}${path.includes('?') ? `?${url.query}` : ''}`);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});

describe('decodePathOnce', () => {
  it('decodes once', () => {
    assert.equal(decodePathOnce('/'), '/');
    assert.equal(decodePathOnce('/a%20b/%C3%A9+c'), '/a b/é+c');
    assert.equal(decodePathOnce('/a%252Fb'), '/a%2Fb');
    assert.equal(decodePathOnce('/%70ublic'), '/public');
    assert.equal(decodePathOnce('/...'), '/...');
    assert.equal(decodePathOnce('/.well-known/..x/x..;y'), '/.well-known/..x/x..;y');
  });

  it('refuses what two readers could take for two things', () => {
    for (const path of [
      ...['/a%2fb', '/a%2Fb', '/a%5cb', '/a%5Cb', '/a\\b', '/a%00', '/a%0a', '/a%0Db', '/%1f', '/%7F', '/a\tb', '/%09'],
      ...[
        '/%',
        '/%z',
        '/%2',
        '/%zz',
        '/a%2',
        '/%u002e',
        '/%c0%ae',
        '/%c0%af',
        '/%ff',
        '/%e2%82',
        '/%ed%a0%80',
        '/\uD800',
        '/\uFFFD',
      ],
      ...[
        '/..',
        '/../',
        '/a/../b',
        '/a/..',
        '/.',
        '/./a',
        '/a/.',
        '/%2e%2e/a',
        '/a/%2E%2e',
        '/.%2e',
        '/%2e',
        '/a/%2e/b',
        '..',
        '.',
      ],
      ...['/public/..;/admin', '/public/..;x=1/admin', '/public/%2e%2e%3b/admin', '/.;/a', '/a/..;'],
      ...[
        '/public/..%20/admin',
        '/public/%20../admin',
        '/public/.%20./admin',
        '/public/..%20%20/admin',
        '/a/..%20;x/b',
      ],
    ])
      assert.equal(decodePathOnce(path), null, JSON.stringify(path));
  });

  it('never yields a dot segment, a backslash, a control character, or more segments than were sent', () => {
    const piece = fc.constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2E',
      '%2f',
      '%5c',
      '\\',
      ';',
      '%3b',
      '%25',
      '%252e',
      '%00',
      '%c0',
      'a',
      '%',
      'é',
    );
    const path = fc
      .oneof(fc.array(piece), fc.array(fc.string({ unit: 'binary', maxLength: 3 })))
      .map((list) => `/${list.join('')}`);
    fc.assert(
      fc.property(path, (raw) => {
        const decoded = decodePathOnce(raw);
        if (decoded === null) return;
        const segments = decoded.split('/');
        for (const segment of segments) assert.ok(!['.', '..'].includes(segment.split(';')[0] ?? ''), decoded);
        assert.equal(segments.length, raw.split('/').length);
        assert.ok(
          [...decoded].every((char) => char >= ' ' && char !== '\x7f' && char !== '\\'),
          decoded,
        );
        assert.equal(decoded, decodeURIComponent(raw));
      }),
      { numRuns: 5_000 },
    );
  });

  it('leaves a path alone that has no escapes, and undoes encodeURIComponent', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme', minLength: 1 })), (segments) => {
        fc.pre(
          segments.every(
            (segment) =>
              !/[/\\]|^\.\.?(;|$)/.test(segment) && [...segment].every((char) => char >= ' ' && char !== '\x7f'),
          ),
        );
        assert.equal(decodePathOnce(`/${segments.map(encodeURIComponent).join('/')}`), `/${segments.join('/')}`);
      }),
    );
  });
});
