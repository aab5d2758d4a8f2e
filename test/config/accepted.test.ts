// What looks wrong and is not.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { generate } from 'selfsigned';
import { domain, load, loaded, provider } from './setup.js';

describe('accepted', () => {
  for (const [name, raw] of [
    ['port 0 for every listener', { listen: { http: '127.0.0.1:0', https: '127.0.0.1:0', metrics: '127.0.0.1:0' } }],
    ['one port on two addresses', { listen: { http: '127.0.0.1:9000', compat: '[::1]:9000' } }],
    [
      'a unix socket',
      { listen: { http: 'unix:/run/akprox/akprox.sock', socket: { mode: '660', user: 'root', group: 7 } } },
    ],
    ['no HTTPS', { listen: { https: null, http: '0.0.0.0:9443' } }],
    ['addresses as proxies', { trusted_proxies: ['10.1.2.3', '::1', 'fe80::/10', '0.0.0.0/0'] }],
    ['sentinels', { store: { kind: 'redis', sentinels: ['a:26379', '[::1]:26379'], name: 'm', db: 2, tls: true } }],
    ['an embedded store that does not say so', { store: { path: '/var/lib/akprox' } }],
    ['a URL with everything', { store: { kind: 'redis', url: 'rediss://u:p@[::1]:6380/3' } }],
    [
      'HS256 with a secret',
      { providers: [provider({}, { id_token_signed_response_alg: 'HS256', client_secret: 's' })] },
    ],
    [
      'one host with two ports',
      { providers: [provider(), provider({ name: 'b', external_host: 'https://whoami.company.tld:8443' })] },
    ],
  ] as const) {
    test(name, () => void loaded(load(raw)));
  }

  test('with a warning: a certificate that has ended, of the listener and of a provider', async () => {
    const dates = { notBeforeDate: new Date('2020-02-01'), notAfterDate: new Date('2020-03-01') };
    const old = await generate([{ name: 'commonName', value: 'old' }], { keyType: 'ec', ...dates });
    const files = { '/etc/akprox/old.crt': old.cert, '/etc/akprox/old.key': old.private };
    const tls = { cert: 'old.crt', key: 'old.key' };
    const raw = { listen: { tls }, providers: [provider({ tls })] };
    const renew = 'ended on 2020-03-01: renew it; akprox takes a new file without a restart';
    assert.deepEqual(loaded(load(raw, { files })).warnings, [
      `listen.tls.cert ${renew}`,
      `providers[0].tls.cert ${renew}`,
    ]);
    assert.deepEqual(loaded(load({ ...raw, listen: { tls, https: null } }, { files })).warnings, []);
  });

  test('with a warning: an access that names nobody', () => {
    for (const access of [{}, { groups: [] }, { groups: [], emails: [] }])
      assert.match(
        loaded(load({ providers: [provider({ access })] })).warnings.join(),
        /^providers\[0\]\.access names nobody/,
      );
    for (const access of [undefined, { groups: ['staff'], emails: [] }])
      assert.deepEqual(loaded(load({ providers: [provider({ access })] })).warnings, []);
  });

  test('with a warning: an expression of the allow-list that says where the URL ends', () => {
    const { warnings } = loaded(load({ providers: [provider({ skip_path_regex: ['^/public/', '^/$', '\\.css$'] })] }));
    assert.deepEqual(
      warnings.map((warning) => warning.replace(/ .*/, '')),
      ['providers[0].skip_path_regex[1]', 'providers[0].skip_path_regex[2]'],
    );
    // The very line that nginx has to have.
    const conf = readFileSync(new URL('../../deploy/proxies/nginx/single.conf', import.meta.url), 'utf8');
    const [line] = /if \(\$request_uri .*$/m.exec(conf) ?? assert.fail();
    for (const warning of warnings) assert.ok(warning.includes(`\`${line}\``), warning);
  });

  test('with a warning: unix sockets, and nobody knows how many', () => {
    const listen = { http: 'unix:/run/akprox/akprox.sock' };
    const raw = { listen, providers: [provider()] };
    assert.match(loaded(load(raw)).warnings.join('\n'), /^workers is auto and listen\.http a unix socket: .*$/);
    assert.deepEqual(loaded(load({ ...raw, workers: 2 })).warnings, []);
  });

  test('with a warning: plain http, a shared cookie domain, a cache age without effect', () => {
    const raw = {
      cache: { max_age: '10m' },
      providers: [
        domain({}),
        domain({ name: 'b', external_host: 'http://b.company.tld', cookie_domain: '.company.tld' }),
      ],
    };
    assert.deepEqual(
      loaded(load(raw)).warnings.map((warning) => warning.replace(/ .*/, '')),
      ['cache.max_age', 'providers[1].external_host', 'providers[1].cookie_domain'],
    );
  });
});
