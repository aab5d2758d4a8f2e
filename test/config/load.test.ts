// What a good configuration becomes.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Env } from '../../src/config/environment.js';
import { loadConfig, loadMetricsAddress } from '../../src/config/load.js';
import { diskOf, domain, load, loaded, loadYaml, OTHER, PAIR, PEM, provider, SECRET } from './setup.js';

describe('a good configuration', () => {
  test('has every default', () => {
    const { config, path, warnings, authentik } = loaded(load({ providers: [provider()] }));
    assert.equal(path, '/etc/akprox/akprox.yaml');
    assert.deepEqual(warnings, []);
    assert.equal(authentik, null);
    assert.equal(config.listen.http, '[::]:9000');
    assert.deepEqual(config.store, { kind: 'embedded', path: './data', max_bytes: 1_073_741_824 });
    assert.equal(config.cache.max_age, 60_000);
    assert.equal(config.providers[0]?.session.lifetime, 86_400_000);
    assert.deepEqual(JSON.parse(JSON.stringify(config)), config, 'it goes over IPC');
  });

  test('is found by AKPROX_CONFIG, relative to the working directory', () => {
    const files = {
      '/srv/conf/mine.yaml': JSON.stringify({ providers: [provider({ cookie_secret: { file: 'key' } })] }),
      '/srv/conf/key': SECRET,
    };
    const result = loadConfig({ env: { AKPROX_CONFIG: 'conf/mine.yaml' }, cwd: '/srv', readFile: diskOf(files) });
    assert.equal(loaded(result).path, '/srv/conf/mine.yaml');
    assert.equal(loaded(result).config.providers[0]?.cookie_secret, SECRET);
  });

  test('may be the environment alone', () => {
    const env = { AUTHENTIK_HOST: 'https://ak.company.tld/', AUTHENTIK_TOKEN: 't0ken' };
    const result = loaded(loadConfig({ env, cwd: '/', readFile: diskOf({}) }));
    assert.equal(result.path, null);
    assert.deepEqual(result.authentik, {
      host: 'https://ak.company.tld',
      token: 't0ken',
      insecure: false,
      hostBrowser: null,
    });
    assert.deepEqual(result.warnings, []);
  });

  test('may be an empty file, with a warning', () => {
    assert.match(loaded(loadYaml('# nothing\n')).warnings.join(), /no providers/);
  });

  for (const [written, origin] of [
    ['https://whoami.company.tld/', 'https://whoami.company.tld'],
    ['HTTPS://WhoAmI.Company.TLD:443', 'https://whoami.company.tld'],
    ['https://whoami.company.tld.:8443', 'https://whoami.company.tld:8443'],
    ['http://[FD00::1]:8080', 'http://[fd00::1]:8080'],
    ['http://127.0.0.1:9000', 'http://127.0.0.1:9000'],
    ['http://localhost', 'http://localhost'],
    ['https://bücher.tld', 'https://xn--bcher-kva.tld'],
  ]) {
    test(`external_host ${written} is ${origin}`, () => {
      assert.equal(
        loaded(load({ providers: [provider({ external_host: written })] })).config.providers[0]?.external_host,
        origin,
      );
    });
  }

  for (const [written, external, wanted] of [
    ['company.tld', 'https://company.tld', 'company.tld'],
    ['.Company.TLD', 'https://auth.company.tld', 'company.tld'],
    ['localhost', 'http://auth.localhost:9000', 'localhost'],
  ]) {
    test(`cookie_domain ${written} for ${external}`, () => {
      const result = load({ providers: [domain({ cookie_domain: written, external_host: external })] });
      assert.equal(loaded(result).config.providers[0]?.cookie_domain, wanted);
    });
  }

  test('has absolute PEM paths, relative to the file', () => {
    const files = { '/etc/akprox/c.pem': PAIR.cert, '/run/k.pem': PAIR.private, '/etc/akprox/ca.pem': PEM };
    const raw = {
      listen: { tls: { cert: 'c.pem', key: '/run/k.pem' } },
      store: { kind: 'redis', cluster: ['a:6379', '[::1]:6379'], tls: { ca: 'ca.pem' } },
      providers: [provider({ tls: { cert: 'c.pem', key: '/run/k.pem' } })],
    };
    const { config } = loaded(load(raw, { files }));
    const pair = { cert: '/etc/akprox/c.pem', key: '/run/k.pem' };
    assert.deepEqual(config.listen.tls, pair);
    assert.deepEqual(config.providers[0]?.tls, pair);
    assert.deepEqual(config.store.kind === 'redis' && config.store.tls, { ca: '/etc/akprox/ca.pem', insecure: false });
  });

  test('has certificates and keys that fit each other', () => {
    const files = { '/etc/akprox/c.pem': PAIR.cert, '/etc/akprox/k.pem': OTHER.private };
    const tls = { cert: 'c.pem', key: 'k.pem' };
    const result = load({ listen: { tls }, providers: [provider({ tls })] }, { files });
    assert.deepEqual(result.ok ? [] : result.problems.map(({ path }) => path), ['listen.tls', 'providers[0].tls']);
  });

  test('is not changed by YAML aliases', () => {
    const yaml = `
providers:
  - &first
    name: a
    mode: forward_single
    external_host: https://a.tld
    cookie_secret: &key { env: KEY }
    oidc: { issuer: "https://i.tld", client_id: a, client_secret: *key }
`;
    const { config } = loaded(loadYaml(yaml, { env: { KEY: SECRET } }));
    assert.equal(config.providers[0]?.oidc.client_secret, SECRET);
  });
});

test('the metrics address is found whatever else is wrong', () => {
  const find = (yaml: string, env: Env = {}) =>
    loadMetricsAddress({ env, cwd: '/', readFile: diskOf({ '/akprox.yaml': yaml }) });
  assert.equal(find('listen: { metrics: "127.0.0.1:1" }\nbanana: 1\n'), '127.0.0.1:1');
  assert.equal(find('listen: { metrics: null }'), null);
  assert.equal(find('a: ['), '[::]:9300');
  assert.equal(find('a: [', { AUTHENTIK_LISTEN__METRICS: ':1' }), '[::]:1');
});
