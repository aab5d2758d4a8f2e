// Settings from the environment: AKPROX_ and the path of the setting.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Env } from '../../src/config/environment.js';
import { loadConfig } from '../../src/config/load.js';
import { providerSchema } from '../../src/config/provider-schema.js';
import { configSchema } from '../../src/config/schema.js';
import { settingsOf } from '../../src/config/settings.js';
import { diskOf, load, loaded, problemsOf, provider, SECRET } from './setup.js';

const PROVIDER: Env = {
  AKPROX_PROVIDER_GRAFANA_MODE: 'forward_single',
  AKPROX_PROVIDER_GRAFANA_EXTERNAL_HOST: 'https://grafana.company.tld',
  AKPROX_PROVIDER_GRAFANA_COOKIE_SECRET: SECRET,
  AKPROX_PROVIDER_GRAFANA_OIDC_ISSUER: 'https://auth.company.tld/',
  AKPROX_PROVIDER_GRAFANA_OIDC_CLIENT_ID: 'grafana',
};

const alone = (env: Env, files: Record<string, string> = {}) =>
  loadConfig({ env, cwd: '/srv', readFile: diskOf(files) });

describe('the environment alone', () => {
  test('is a whole configuration', () => {
    const { config, path, warnings } = loaded(
      alone(
        {
          ...PROVIDER,
          AKPROX_PROVIDER_GRAFANA_OIDC_CLIENT_SECRET_FILE: 'client',
          AKPROX_PROVIDER_GRAFANA_OIDC_SCOPES: 'openid, email',
          AKPROX_PROVIDER_GRAFANA_OIDC_AUTHORIZATION_PARAMS: '{prompt: login}',
          AKPROX_PROVIDER_GRAFANA_SKIP_PATH_REGEX: '["^/a{1,2}/", "^/b"]',
          AKPROX_PROVIDER_GRAFANA_SESSION_REFRESH: 'false',
          AKPROX_STORE_KIND: 'redis',
          AKPROX_STORE_URL: 'redis://redis:6379',
          AKPROX_STORE_DB: '3',
          AKPROX_STORE_TLS: 'true',
          AKPROX_LISTEN_HTTPS: 'null',
          AKPROX_WORKERS: '2',
          AKPROX_MAX_HEADER_BYTES: '8192',
          AKPROX_CACHE_MAX_AGE: '30s',
          AKPROX_TRUSTED_PROXIES: '',
        },
        { '/srv/client': 'from a file\n' },
      ),
    );
    assert.equal(path, null);
    assert.deepEqual(warnings, []);
    const [grafana] = config.providers;
    assert.equal(grafana?.name, 'grafana');
    assert.equal(grafana.external_host, 'https://grafana.company.tld');
    assert.equal(grafana.oidc.client_secret, 'from a file');
    assert.deepEqual(grafana.oidc.scopes, ['openid', 'email']);
    assert.deepEqual(grafana.oidc.authorization_params, { prompt: 'login' });
    assert.deepEqual(grafana.skip_path_regex, ['^/a{1,2}/', '^/b']);
    assert.equal(grafana.session.refresh, false);
    assert.ok(config.store.kind === 'redis');
    assert.deepEqual([config.store.url, config.store.db, config.store.tls], ['redis://redis:6379', 3, true]);
    assert.deepEqual([config.listen.https, config.workers, config.max_header_bytes], [null, 2, 8192]);
    assert.equal(config.cache.max_age, 30_000);
    assert.equal(config.trusted_proxies.length, 7, 'empty is unset');
  });

  test('has a provider for each name, which a variable can spell otherwise', () => {
    const second = Object.fromEntries(
      Object.entries(PROVIDER).map(([name, text]) => [
        name.replace('GRAFANA', 'MY_APP'),
        text?.replace('grafana', 'my'),
      ]),
    );
    const { config } = loaded(alone({ ...PROVIDER, ...second, AKPROX_PROVIDER_MY_APP_NAME: 'Mine' }));
    assert.deepEqual(
      config.providers.map(({ name, external_host }) => [name, external_host]),
      [
        ['grafana', 'https://grafana.company.tld'],
        ['Mine', 'https://my.company.tld'],
      ],
    );
  });

  test('names the variable that is missing, and the one that is wrong', () => {
    const { AKPROX_PROVIDER_GRAFANA_OIDC_ISSUER: _, ...rest } = PROVIDER;
    assert.deepEqual(problemsOf(alone({ ...rest, AKPROX_PROVIDER_GRAFANA_MODE: 'single', AKPROX_LOG_LEVEL: 'loud' })), {
      'log.level': 'expected one of "trace", "debug", "info", "warn", "error" (from AKPROX_LOG_LEVEL)',
      'providers[0].mode': 'expected one of "forward_single", "forward_domain" (from AKPROX_PROVIDER_GRAFANA_MODE)',
      'providers[0].oidc.issuer': 'is required (set AKPROX_PROVIDER_GRAFANA_OIDC_ISSUER)',
    });
  });
});

describe('variables beside a file', () => {
  const file = { providers: [provider({ name: 'My app.1' })], log: { level: 'error', checks: 'denied' } };

  test('win, in the provider whose name they have in capitals', () => {
    const env = { AKPROX_PROVIDER_MY_APP_1_OIDC_CLIENT_ID: 'other', AKPROX_LOG_LEVEL: 'debug' };
    const { config } = loaded(load(file, { env }));
    assert.deepEqual([config.providers.length, config.providers[0]?.oidc.client_id], [1, 'other']);
    assert.deepEqual([config.log.level, config.log.checks], ['debug', 'denied']);
  });

  test('win over those of authentik', () => {
    const env = {
      AUTHENTIK_LISTEN__HTTP: ':1',
      AKPROX_LISTEN_HTTP: '[::]:2',
      AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS: '10.0.0.0/8',
      AKPROX_TRUSTED_PROXIES: '10.1.0.0/16,::1/128',
      AUTHENTIK_LOG_LEVEL: 'warning',
    };
    const { config } = loaded(load({ providers: [provider()] }, { env }));
    assert.deepEqual([config.listen.http, config.log.level], ['[::]:2', 'warn']);
    assert.deepEqual(config.trusted_proxies, ['10.1.0.0/16', '::1/128']);
  });

  for (const [name, message] of [
    ['AKPROX_LISTEN_HTPP', 'no setting, did you mean AKPROX_LISTEN_HTTP?'],
    ['AKPROX_CONFG', 'no setting, did you mean AKPROX_CONFIG?'],
    ['AKPROX_', 'no setting'],
    ['AKPROX_PROVIDERS', 'no setting'],
    ['AKPROX_LISTEN', 'no setting'],
    [
      'AKPROX_PROVIDER_GRAFANA_OIDC_ISUER',
      'no setting of a provider: AKPROX_PROVIDER_, its name, and a setting such as OIDC_ISSUER',
    ],
    [
      'AKPROX_PROVIDER_OIDC_ISSUER',
      'no setting of a provider: AKPROX_PROVIDER_, its name, and a setting such as OIDC_ISSUER',
    ],
  ] as const) {
    test(`${name} is an error`, () => {
      assert.deepEqual(problemsOf(load(file, { env: { [name]: 'x' } })), { [name]: message });
    });
  }

  test('that are of the wrong type are named, without their value', () => {
    const env = { AKPROX_MAX_HEADER_BYTES: 's3cret', AKPROX_PROVIDER_MY_APP_1_SKIP_PATH_REGEX: '[s3cret' };
    const result = load(file, { env });
    assert.deepEqual(problemsOf(result), {
      AKPROX_MAX_HEADER_BYTES: 'expected a whole number',
      AKPROX_PROVIDER_MY_APP_1_SKIP_PATH_REGEX: 'expected a list such as a,b or [a, b]',
    });
  });

  test('that the file or authentik keeps a secret in may have any name', () => {
    const env = {
      AKPROX_OF_OUR_OWN: SECRET,
      AKPROX_TOKEN: 't',
      AUTHENTIK_TOKEN: 'env://AKPROX_TOKEN',
      AUTHENTIK_HOST: 'https://ak.tld',
    };
    const { config } = loaded(
      load({ providers: [provider({ cookie_secret: { env: 'AKPROX_OF_OUR_OWN' } })] }, { env }),
    );
    assert.equal(config.providers[0]?.cookie_secret, SECRET);
  });

  test('that Kubernetes sets for a Service of that name are none of ours', () => {
    const env = {
      AKPROX_SERVICE_HOST: '10.0.0.1',
      AKPROX_SERVICE_PORT: '9000',
      AKPROX_SERVICE_PORT_HTTP: '9000',
      AKPROX_PORT: 'tcp://10.0.0.1:9000',
      AKPROX_PORT_9000_TCP: 'tcp://10.0.0.1:9000',
      AKPROX_PORT_9000_TCP_ADDR: '10.0.0.1',
      AKPROX_METRICS_SERVICE_HOST: '10.0.0.2',
      AKPROX_METRICS_PORT: 'tcp://10.0.0.2:9300',
      AKPROX_METRICS_PORT_9300_TCP_PROTO: 'tcp',
    };
    loaded(load(file, { env }));
    assert.deepEqual(Object.keys(problemsOf(load(file, { env: { AKPROX_PORT: '9000' } }))), ['AKPROX_PORT']);
  });

  test('do not lead into what is no setting of the file', () => {
    assert.deepEqual(problemsOf(load({ ...file, listen: 7 }, { env: { AKPROX_LISTEN_HTTP: '[::]:1' } })), {
      listen: 'expected object, found number',
    });
    assert.deepEqual(Object.keys(problemsOf(load({ providers: 7 }, { env: PROVIDER }))), ['providers']);
  });
});

test('every setting has a name of its own', () => {
  for (const schema of [configSchema, providerSchema]) {
    const names = settingsOf(schema).map(({ path }) => path.join('_').toUpperCase());
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.length > 20);
    assert.ok(names.every((name) => !name.startsWith('PROVIDER_') && !name.endsWith('_FILE')));
  }
});
