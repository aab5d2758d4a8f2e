import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proxyFor } from '../../src/infra/outgoing-proxy.js';

const HTTP = 'http://plain-proxy:3128';
const HTTPS = 'http://secure-proxy:3128';

test('each scheme has its proxy, a websocket that of its scheme, and none is taken for the other', () => {
  const both = { http: HTTP, https: HTTPS, except: [] };
  for (const [url, proxy] of [
    ['http://idp.company.tld/', HTTP],
    ['https://idp.company.tld/', HTTPS],
    ['ws://core.company.tld/', HTTP],
    ['wss://core.company.tld/', HTTPS],
  ] as const) {
    assert.equal(proxyFor(new URL(url), both), proxy, url);
    assert.equal(proxyFor(new URL(url), undefined), '', url);
  }
  assert.equal(proxyFor(new URL('https://idp.company.tld/'), { ...both, https: '' }), '');
  assert.equal(proxyFor(new URL('http://idp.company.tld/'), { ...both, http: '' }), '');
});

test('what is on this host is asked without a proxy, whatever NO_PROXY says', () => {
  for (const host of ['localhost', 'localhost:9000', '127.0.0.1', '127.8.9.10:1', '[::1]:9000', '[::ffff:127.0.0.1]'])
    assert.equal(proxyFor(new URL(`http://${host}/`), { http: HTTP, https: '', except: [] }), '', host);
});

// [entry of NO_PROXY, URL, whether the proxy is asked]
for (const [entry, url, asked] of [
  ['*', 'https://idp.company.tld/', false],
  ['company.tld', 'https://company.tld/', false],
  ['company.tld', 'https://idp.company.tld/', false],
  ['COMPANY.tld', 'https://idp.Company.TLD/', false],
  ['company.tld', 'https://idp.company.tld./', false],
  ['company.tld', 'https://evilcompany.tld/', true],
  ['company.tld', 'https://company.tld.evil.tld/', true],
  ['.company.tld', 'https://idp.company.tld/', false],
  ['.company.tld', 'https://company.tld/', true],
  ['*.company.tld', 'https://a.b.company.tld/', false],
  ['*.company.tld', 'https://company.tld/', true],
  ['idp.company.tld:8443', 'https://idp.company.tld:8443/', false],
  ['idp.company.tld:8443', 'https://idp.company.tld/', true],
  ['idp.company.tld:443', 'https://idp.company.tld/', false],
  ['keycloak', 'http://keycloak:8080/', false],
  ['10.0.0.0/8', 'http://10.1.2.3:8080/', false],
  ['10.0.0.0/8', 'http://11.1.2.3/', true],
  ['10.0.0.0/8', 'http://idp.company.tld/', true],
  ['10.1.2.3', 'http://10.1.2.3:8080/', false],
  ['10.1.2.3:80', 'http://10.1.2.3:8080/', true],
  ['0.0.0.0/0', 'http://[fd00::1]/', true],
  ['fd00::/8', 'http://[fd00::1]/', false],
  ['[fd00::1]:8080', 'http://[fd00::1]:8080/', false],
  ['fd00::1', 'http://[fd00:0:0::1]/', false],
  ['2', 'http://1.2.3.2/', true],
  ['', 'http://idp.company.tld/', true],
  ['.', 'http://idp.company.tld/', true],
  ['not a host', 'http://idp.company.tld/', true],
] as const) {
  test(`NO_PROXY ${JSON.stringify(entry)}: ${url} is asked ${asked ? 'by way of the proxy' : 'without'}`, () => {
    assert.equal(proxyFor(new URL(url), { http: HTTP, https: HTTP, except: [entry] }) !== '', asked);
  });
}
