// The variables of the official outpost.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Env, readAuthentikEnv } from '../../src/config/environment.js';
import { diskOf, load, loaded, PEM, problemsOf } from './setup.js';

describe('the environment', () => {
  const core = { AUTHENTIK_HOST: 'https://ak.tld', AUTHENTIK_TOKEN: 't' };
  const withEnv = (env: Env, raw: unknown = {}, files: Record<string, string> = {}) =>
    load(raw, { env: { ...core, ...env }, files });

  test('wins over the file for listeners, proxies and the log', () => {
    const env = {
      AUTHENTIK_LISTEN__HTTP: ':8000',
      AUTHENTIK_LISTEN__HTTPS: '[::]:8443',
      AUTHENTIK_LISTEN__METRICS: 'localhost:8300',
      AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS: '10.0.0.0/8, ::1/128,',
      AUTHENTIK_LOG_LEVEL: 'WARNING',
    };
    const { config } = loaded(
      withEnv(env, {
        listen: { http: '0.0.0.0:1', compat: '0.0.0.0:2' },
        log: { level: 'error', checks: 'all' },
        trusted_proxies: [],
      }),
    );
    assert.deepEqual(config.listen, {
      http: '[::]:8000',
      socket: { mode: '0660' },
      https: '[::]:8443',
      compat: '0.0.0.0:2',
      metrics: 'localhost:8300',
    });
    assert.deepEqual(config.log, { level: 'warn', checks: 'all', audit: 'subject' });
    assert.deepEqual(config.trusted_proxies, ['10.0.0.0/8', '::1/128']);
  });

  test('counts for nothing where it is empty', () => {
    const { config } = loaded(
      withEnv({ AUTHENTIK_LISTEN__HTTP: '', AUTHENTIK_LOG_LEVEL: '', AUTHENTIK_REDIS__HOST: '', AKPROX_CONFIG: '' }),
    );
    assert.equal(config.listen.http, '[::]:9000');
    assert.equal(config.store.kind, 'embedded');
  });

  test('selects redis', () => {
    const env = {
      AUTHENTIK_REDIS__HOST: 'redis',
      AUTHENTIK_REDIS__PORT: '6380',
      AUTHENTIK_REDIS__DB: '3',
      AUTHENTIK_REDIS__USERNAME: 'u',
      AUTHENTIK_REDIS__PASSWORD: 'file:///run/redis',
      AUTHENTIK_REDIS__TLS: 'true',
      AUTHENTIK_REDIS__TLS_REQS: 'none',
      AUTHENTIK_REDIS__TLS_CA_CERT: '/run/ca.pem',
    };
    assert.deepEqual(loaded(withEnv(env, {}, { '/run/redis': 'p\n', '/run/ca.pem': PEM })).config.store, {
      kind: 'redis',
      url: 'rediss://redis:6380',
      db: 3,
      username: 'u',
      password: 'p',
      prefix: 'akprox:',
      tls: { ca: '/run/ca.pem', insecure: true },
    });
    const plain = loaded(withEnv({ AUTHENTIK_REDIS__HOST: 'fd00::1' })).config.store;
    assert.deepEqual(plain, { kind: 'redis', url: 'redis://[fd00::1]:6379', db: 0, prefix: 'akprox:' });
  });

  test('selects no store where the file has one or the host is missing, and says so', () => {
    const beside = loaded(withEnv({ AUTHENTIK_REDIS__HOST: 'redis' }, { store: { kind: 'embedded' } }));
    assert.equal(beside.config.store.kind, 'embedded');
    assert.match(beside.warnings.join(), /ignored: there is a `store`/);
    assert.match(loaded(withEnv({ AUTHENTIK_REDIS__DB: '1' })).warnings.join(), /AUTHENTIK_REDIS__HOST is not set/);
  });

  for (const [env, wanted] of [
    [
      { AUTHENTIK_LISTEN__HTTP: '0.0.0.0' },
      { 'listen.http': 'expected ADDRESS:PORT or unix:/PATH (from AUTHENTIK_LISTEN__HTTP)' },
    ],
    [
      { AUTHENTIK_LISTEN__METRICS: ':9000' },
      {
        'listen.metrics': 'listens where listen.http does: give it a port of its own (from AUTHENTIK_LISTEN__METRICS)',
      },
    ],
    [
      { AUTHENTIK_LOG_LEVEL: 'loud' },
      { 'log.level': 'expected one of "trace", "debug", "info", "warn", "error" (from AUTHENTIK_LOG_LEVEL)' },
    ],
    [
      { AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS: 'x' },
      {
        'trusted_proxies[0]':
          'expected an IP address or a network such as 10.0.0.0/8 (from AUTHENTIK_LISTEN__TRUSTED_PROXY_CIDRS)',
      },
    ],
    [
      {
        AUTHENTIK_REDIS__HOST: 'redis',
        AUTHENTIK_REDIS__PORT: 'x',
        AUTHENTIK_REDIS__TLS: 'maybe',
        AUTHENTIK_REDIS__TLS_REQS: 'x',
      },
      {
        AUTHENTIK_REDIS__PORT: 'expected a whole number',
        AUTHENTIK_REDIS__TLS: 'expected true or false',
        AUTHENTIK_REDIS__TLS_REQS: 'expected none, optional or required',
      },
    ],
    [
      { AUTHENTIK_REDIS__HOST: 'redis', AUTHENTIK_REDIS__PORT: '99999' },
      {
        'store.url':
          'expected redis://HOST:PORT or rediss://HOST:PORT (from AUTHENTIK_REDIS__HOST and AUTHENTIK_REDIS__PORT)',
      },
    ],
    [{ AUTHENTIK_REDIS__HOST: 'u:p@redis' }, { AUTHENTIK_REDIS__HOST: 'expected a host name or address' }],
    [
      { AUTHENTIK_TOKEN: 'file:///none' },
      { AUTHENTIK_TOKEN: 'file /none cannot be read (ENOENT): correct the path, or put the file there' },
    ],
    [
      { AUTHENTIK_TOKEN: 'env://NONE' },
      { AUTHENTIK_TOKEN: 'environment variable NONE is not set: set it where akprox is started' },
    ],
    [{ AUTHENTIK_TOKEN: '' }, { AUTHENTIK_TOKEN: 'is required beside AUTHENTIK_HOST' }],
    [{ AUTHENTIK_HOST: '' }, { AUTHENTIK_HOST: 'is required beside AUTHENTIK_TOKEN' }],
    [
      { AUTHENTIK_HOST: 'ak.tld' },
      { AUTHENTIK_HOST: 'expected an http:// or https:// URL without user, query or fragment' },
    ],
  ] as const) {
    test(`refused: ${JSON.stringify(env)}`, () => {
      const result = withEnv(env);
      const problems = problemsOf(result);
      for (const [path, message] of Object.entries(wanted)) assert.equal(problems[path], message);
      const extra = Object.keys(problems).filter((path) => !(path in wanted) && path !== 'store.url');
      assert.deepEqual(extra, []);
    });
  }

  for (const [value, wanted] of [
    ['plain', 'plain'],
    ['file:///run/token', 'from-file'],
    ['file:///none?fallback', 'fallback'],
    ['env://OTHER', 'from-env'],
    ['env://OTHER?fallback', 'from-env'],
    ['env://NONE?fall?back', 'fall?back'],
  ] as const) {
    test(`a value ${value}`, () => {
      const env = { ...core, AUTHENTIK_TOKEN: value, OTHER: 'from-env' };
      const result = readAuthentikEnv(env, diskOf({ '/run/token': ' from-file\n' }));
      assert.equal(result.ok && result.authentik?.token, wanted);
    });
  }

  test('for authentik: a path stays, flags are read', () => {
    const env = {
      AUTHENTIK_HOST: 'http://ak:9000/sub/',
      AUTHENTIK_TOKEN: 't',
      AUTHENTIK_INSECURE: 'True',
      AUTHENTIK_HOST_BROWSER: 'https://ak.tld/',
    };
    assert.deepEqual(readAuthentikEnv(env, diskOf({})), {
      ok: true,
      authentik: { host: 'http://ak:9000/sub', token: 't', insecure: true, hostBrowser: 'https://ak.tld' },
    });
    assert.deepEqual(readAuthentikEnv({}, diskOf({})), { ok: true, authentik: null });
  });
});
