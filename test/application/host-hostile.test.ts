import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hostname, isUnderDomain, parseHost, stripDefaultPort } from '../../src/application/host.js';

describe('parseHost, against hostile input', () => {
  it('has one spelling for one host', () => {
    for (const [raw, expected] of [
      ['App.Example.COM', 'app.example.com'],
      ['app.example.com.', 'app.example.com'],
      ['app.example.com.:8443', 'app.example.com:8443'],
      ['localhost', 'localhost'],
      ['my_app.example.com', 'my_app.example.com'],
      ['_dmarc.example.com', '_dmarc.example.com'],
      ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
      ['127.0.0.1:65535', '127.0.0.1:65535'],
      ['[2001:DB8::1]', '[2001:db8::1]'],
      ['[::1]:9000', '[::1]:9000'],
      ['[::ffff:127.0.0.1]', '[::ffff:127.0.0.1]'],
      [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`],
    ] as const)
      assert.equal(parseHost(raw), expected, raw);
  });

  it('refuses what is not a host', () => {
    const long = Array.from({ length: 64 }, () => 'abc').join('.');
    for (const raw of [
      ...['', '.', '..', 'a..b', '.a', 'a..', 'a..:80', ' a', 'a ', 'a b', 'a\tb', 'a\nb', 'a\r\nX: y', 'a\0'],
      ...[
        'a,b',
        'a/b',
        'a\\b',
        'a%2eb',
        'a%',
        'user@a',
        'user:pass@a',
        'a?b',
        'a#b',
        'a;b',
        'http://a',
        'a:b:80',
        "a'b",
      ],
      ...[
        'a:',
        'a:0',
        'a:080',
        'a:65536',
        'a:99999',
        'a:100000',
        'a:-1',
        'a:+1',
        'a: 80',
        'a:80 ',
        'a:8e1',
        'a:80:80',
        ':80',
      ],
      ...['-a.example', 'a-.example', `${'a'.repeat(64)}.example`, long],
      ...[
        '[',
        ']',
        '[]',
        '[::1',
        '::1',
        '::1]',
        '[::1]x',
        '[::1]:',
        '[::1].',
        '[::1].:80',
        '[::1]:80:80',
        '[fe80::1%eth0]',
      ],
      ...['[1.2.3.4]', '[:::]', '[....]', '[1:2:3:4:5:6:7:8:9]', '[[::1]]', '[::1]]'],
      // Dots and letters that a browser would map into ASCII; ours arrive as punycode or not at all.
      ...[
        'app。example。com',
        'app\uFF0Eexample\uFF0Ecom',
        '\u212Aompany.tld',
        'bücher.example',
        '\u00ADa',
        'a\u200Bb',
        'a\uD800',
      ],
    ])
      assert.equal(parseHost(raw), null, JSON.stringify(raw));
  });

  it('is stable, and never yields anything but host characters', () => {
    const piece = fc.constantFrom(...'aZ09-_.:[]%@/\\, \t\n\0', '..', ':80', '[::1]', 'example.com', 'é', '。');
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: 'binary' }),
      fc.array(piece).map((list) => list.join('')),
      fc.domain(),
    );
    fc.assert(
      fc.property(text, (raw) => {
        const host = parseHost(raw);
        if (host === null) return;
        assert.match(host, /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?$/);
        assert.equal(parseHost(host), host);
        assert.equal(parseHost(hostname(host)), hostname(host));
        assert.equal(parseHost(raw.toUpperCase()), host);
      }),
      { numRuns: 2_000 },
    );
  });

  it('agrees with WHATWG wherever both accept a name', () => {
    fc.assert(
      fc.property(fc.domain(), fc.integer({ min: 1, max: 65_535 }), (domain, port) => {
        const host = parseHost(`${domain}:${port}`);
        assert.equal(
          host === null ? null : stripDefaultPort(host, 'https'),
          new URL(`https://${domain}:${port}/`).host,
        );
      }),
    );
  });

  it('takes no longer for hostile input', () => {
    for (const raw of ['a'.repeat(1e6), '.'.repeat(1e6), `[${':'.repeat(1e6)}]`, `${'a-'.repeat(130)}`])
      assert.equal(parseHost(raw), null);
  });
});

describe('hostname, stripDefaultPort, isUnderDomain', () => {
  it('know ports and IPv6', () => {
    assert.equal(hostname('a.example:80'), 'a.example');
    assert.equal(hostname('a.example'), 'a.example');
    assert.equal(hostname('[::1]'), '[::1]');
    assert.equal(hostname('[::1]:443'), '[::1]');
    assert.equal(stripDefaultPort('a:443', 'https'), 'a');
    assert.equal(stripDefaultPort('a:80', 'http'), 'a');
    assert.equal(stripDefaultPort('a:80', 'https'), 'a:80');
    assert.equal(stripDefaultPort('a:8443', 'https'), 'a:8443');
    assert.equal(stripDefaultPort('[fe80::443]', 'https'), '[fe80::443]');
  });

  it('compare on label boundaries', () => {
    assert.ok(isUnderDomain('example.com', 'example.com'));
    assert.ok(isUnderDomain('a.b.example.com:8443', 'example.com'));
    for (const host of ['evilexample.com', 'example.com.evil.com', 'example.co', 'com', 'example.com.', ''])
      assert.ok(!isUnderDomain(host, 'example.com'), host);
    assert.ok(!isUnderDomain('a.example.com', ''));
    assert.ok(!isUnderDomain('', ''));
  });
});
