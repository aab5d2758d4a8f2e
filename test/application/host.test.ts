import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ApplicationTable } from '../../src/application/application.js';
import { hostname, isUnderDomain, parseHost, stripDefaultPort } from '../../src/application/host.js';
import { makeApplication } from '../kit/application.js';

describe('a host', () => {
  const good: [string, string][] = [
    ['app.example.com', 'app.example.com'],
    ['APP.Example.COM:8443', 'app.example.com:8443'],
    ['app.example.com.', 'app.example.com'],
    ['app.example.com.:80', 'app.example.com:80'],
    ['[::1]', '[::1]'],
    ['[2001:DB8::1]:443', '[2001:db8::1]:443'],
    ['my_host.internal', 'my_host.internal'],
    ['127.0.0.1:9000', '127.0.0.1:9000'],
  ];
  for (const [raw, expected] of good) it(`${raw} is ${expected}`, () => assert.equal(parseHost(raw), expected));

  const bad = [
    '',
    '.',
    'a..b',
    '-a.com',
    'a-.com',
    'a b',
    'a,b',
    'a/b',
    'a\\b',
    'a@b',
    'a?b',
    'a#b',
    'a%2eb',
    'a:0',
    'a:65536',
    'a:080',
    'a:',
    'a:b',
    '[::1',
    '::1',
    '[g]',
    'ex\u3002com',
    '\u212aelvin.com',
    'a\tb',
    `${'a'.repeat(64)}.com`,
    'a.'.repeat(200),
    'a..',
    'a\r\nb',
  ];
  for (const raw of bad) it(`${JSON.stringify(raw.slice(0, 30))} is none`, () => assert.equal(parseHost(raw), null));

  it('that is accepted is canonical already', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'aB1-_.:[]@%/ \u3002') }), (raw) => {
        const host = parseHost(raw);
        if (host !== null) assert.equal(parseHost(host), host);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is taken apart and compared on label boundaries', () => {
    assert.equal(hostname('[::1]:80'), '[::1]');
    assert.equal(hostname('[::1]'), '[::1]');
    assert.equal(hostname('a.b:80'), 'a.b');
    assert.equal(stripDefaultPort('a:443', 'https'), 'a');
    assert.equal(stripDefaultPort('a:443', 'http'), 'a:443');
    assert.ok(isUnderDomain('a.example.com:81', 'example.com'));
    assert.ok(isUnderDomain('example.com', 'example.com'));
    assert.ok(!isUnderDomain('evilexample.com', 'example.com'));
    assert.ok(!isUnderDomain('example.com', ''));
  });
});

describe('the provider table', () => {
  const one = makeApplication();
  const wide = makeApplication({
    name: 'wide',
    mode: 'forward_domain',
    external_host: 'https://auth.example.com',
    cookie_domain: 'example.com',
  });
  const deep = makeApplication({
    name: 'deep',
    mode: 'forward_domain',
    external_host: 'https://auth.deep.example.com',
    cookie_domain: 'deep.example.com',
  });
  const table = new ApplicationTable([one, wide, deep]);
  const find = (host: string): string | undefined => table.find(host)?.name;

  it('finds the exact host, then the longest domain on a label boundary, and nothing else', () => {
    assert.equal(find('whoami.company.tld'), 'whoami');
    assert.equal(find('WHOAMI.company.tld.'), 'whoami');
    assert.equal(find('whoami.company.tld:443'), 'whoami');
    assert.equal(find('whoami.company.tld:8443'), undefined);
    assert.equal(find('x.example.com'), 'wide');
    assert.equal(find('example.com:8443'), 'wide');
    assert.equal(find('x.y.deep.example.com'), 'deep');
    assert.equal(find('xdeep.example.com'), 'wide');
    for (const host of ['evilexample.com', 'example.com.evil', 'com', '', '__proto__', 'constructor'])
      assert.equal(find(host), undefined, host);
  });

  it('does not let a client move a name to the domain around it by writing a port', () => {
    const narrow = makeApplication({ name: 'narrow', external_host: 'https://admin.example.com' });
    const both = new ApplicationTable([wide, narrow]);
    assert.equal(both.find('admin.example.com:443')?.name, 'narrow');
    for (const host of ['admin.example.com:80', 'admin.example.com:8081', 'ADMIN.example.com.:8081'])
      assert.equal(both.find(host), undefined);
    assert.equal(both.find('x.admin.example.com')?.name, 'wide');
  });

  it('has no fallback to the only provider', () => {
    assert.equal(new ApplicationTable([one]).find('other.host'), undefined);
  });
});
