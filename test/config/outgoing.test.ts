// How we get to the identity provider: proxies of the environment, a CA, another address.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from '../../src/config/load.js';
import { load, loaded, PAIR, problemsOf, provider } from './setup.js';

const ONE = { providers: [provider()] };

test('proxies of the environment, in capitals or not', () => {
  for (const [env, expected] of [
    [{}, undefined],
    [{ NO_PROXY: 'company.tld' }, undefined],
    [{ HTTPS_PROXY: '' }, undefined],
    [{ HTTPS_PROXY: 'http://proxy:3128' }, { http: '', https: 'http://proxy:3128', except: [] }],
    [{ https_proxy: 'https://u:p@proxy:3128/' }, { http: '', https: 'https://u:p@proxy:3128/', except: [] }],
    [
      { HTTP_PROXY: 'proxy:3128', no_proxy: 'a, .b  10.0.0.0/8,' },
      { http: 'http://proxy:3128', https: '', except: ['a', '.b', '10.0.0.0/8'] },
    ],
    [
      { HTTP_PROXY: 'http://one:1', http_proxy: 'http://two:2' },
      { http: 'http://one:1', https: '', except: [] },
    ],
  ] as const) {
    assert.deepEqual(loaded(load(ONE, { env })).config.proxies, expected, JSON.stringify(env));
  }
});

test('a proxy that cannot be one is named by its variable, and never quoted', () => {
  for (const value of [
    'socks5://u:hunter2@proxy:1080',
    'http://',
    'http://u:hunter2@proxy:99999',
    'http://proxy/hunter2',
    'u hunter2',
  ]) {
    const problems = problemsOf(load(ONE, { env: { HTTPS_PROXY: value, http_proxy: value } }));
    const message = 'expected http://HOST:PORT or https://HOST:PORT';
    assert.deepEqual(problems, { HTTPS_PROXY: message, http_proxy: message }, value);
  }
});

test('a CA is read from its file, so that another one there is another configuration', () => {
  const raw = { providers: [provider({}, { ca: 'ca.pem' })] };
  const caOf = (text: string) => {
    const { config } = loaded(load(raw, { files: { '/etc/akprox/ca.pem': text } }));
    return config.providers[0]?.oidc.ca;
  };
  assert.equal(caOf(PAIR.cert), PAIR.cert);
  assert.equal(caOf(`# of the company\n${PAIR.cert}`), `# of the company\n${PAIR.cert}`);
  const path = 'providers[0].oidc.ca';
  assert.deepEqual(problemsOf(load(raw)), {
    [path]: 'file ca.pem cannot be read (ENOENT): correct the path, or put the file there',
  });
  for (const [text, message] of [
    ['no pem', 'file ca.pem is not a PEM file: convert it, it has to have a line -----BEGIN …-----'],
    [PAIR.private, 'file ca.pem has no certificate that can be read'],
    [
      '-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n',
      'file ca.pem has no certificate that can be read',
    ],
  ] as const) {
    assert.deepEqual(problemsOf(load(raw, { files: { '/etc/akprox/ca.pem': text } })), { [path]: message });
  }
});

test('a file that goes away while it is checked is used as it was read', () => {
  const readable = new Map([
    ['/akprox.yaml', JSON.stringify({ providers: [provider({}, { ca: 'ca.pem' })] })],
    ['/ca.pem', PAIR.cert],
  ]);
  const readFile = (path: string): string => {
    const text = readable.get(path) ?? assert.fail(`${path} was read again`);
    readable.delete(path);
    return text;
  };
  const { config } = loaded(loadConfig({ env: {}, cwd: '/', readFile }));
  assert.equal(config.providers[0]?.oidc.ca, PAIR.cert);
});

test('the inner address is an origin', () => {
  for (const url of ['http://keycloak:8080', 'https://10.0.0.1', 'http://keycloak.svc.cluster.local/'])
    assert.equal(
      loaded(load({ providers: [provider({}, { internal_url: url })] })).config.providers[0]?.oidc.internal_url,
      url,
    );
  for (const url of [
    'keycloak:8080',
    'http://keycloak:8080/realms/x',
    'ftp://keycloak',
    'http://u@keycloak',
    'http://keycloak?x',
    '',
  ]) {
    assert.deepEqual(
      problemsOf(load({ providers: [provider({}, { internal_url: url })] })),
      { 'providers[0].oidc.internal_url': 'expected an origin: http:// or https://, a host, nothing behind it' },
      url,
    );
  }
});

test('spans are wanted where OpenTelemetry has an endpoint', () => {
  for (const [env, wanted] of [
    [{}, undefined],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: '' }, undefined],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318', OTEL_SDK_DISABLED: 'TRUE' }, undefined],
  ] as const)
    assert.equal(loaded(load(ONE, { env })).config.tracing, wanted, JSON.stringify(env));
});
