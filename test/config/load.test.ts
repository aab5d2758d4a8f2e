// Loading a configuration: each rule by a row that breaks it, and what a good one becomes.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { generate } from 'selfsigned';
import { type Env, readAuthentikEnv } from '../../src/config/environment.js';
import { type Loaded, loadConfig, loadMetricsAddress, type NotLoaded } from '../../src/config/load.js';

const SECRET = 'a-cookie-secret-of-32-bytes-or-more';
const PEM = '-----BEGIN CERTIFICATE-----\n';
const PAIR = await generate([{ name: 'commonName', value: 'one' }], { keyType: 'ec' });
const OTHER = await generate([{ name: 'commonName', value: 'two' }], { keyType: 'ec' });

/** Files by absolute path; anything else is missing, as for `fs.readFileSync`. */
function diskOf(files: Record<string, string>) {
  return (path: string): string => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
    return text;
  };
}

interface Given {
  readonly env?: Env;
  readonly files?: Record<string, string>;
}

function loadYaml(yaml: string, { env = {}, files = {} }: Given = {}) {
  return loadConfig({ env, cwd: '/etc/akprox', readFile: diskOf({ '/etc/akprox/akprox.yaml': yaml, ...files }) });
}

function load(raw: unknown, given?: Given) {
  return loadYaml(JSON.stringify(raw), given);
}

function loaded(result: Loaded | NotLoaded): Loaded {
  assert.ok(result.ok, JSON.stringify(result));
  return result;
}

function problemsOf(result: Loaded | NotLoaded): Record<string, string> {
  assert.ok(!result.ok, 'expected problems');
  return Object.fromEntries(result.problems.map(({ path, message }) => [path, message]));
}

/** A good provider, with changes; undefined removes a setting. */
function provider(changes: Record<string, unknown> = {}, oidc: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name: 'whoami',
    mode: 'forward_single',
    external_host: 'https://whoami.company.tld',
    cookie_secret: SECRET,
    oidc: { issuer: 'https://auth.company.tld/application/o/whoami/', client_id: 'whoami', ...oidc },
    ...changes,
  };
}

const domain = (changes: Record<string, unknown>) =>
  provider({
    mode: 'forward_domain',
    external_host: 'https://auth.company.tld',
    cookie_domain: 'company.tld',
    ...changes,
  });

describe('a good configuration', () => {
  test('has every default', () => {
    const { config, path, warnings, authentik } = loaded(load({ providers: [provider()] }));
    assert.equal(path, '/etc/akprox/akprox.yaml');
    assert.deepEqual(warnings, []);
    assert.equal(authentik, null);
    assert.equal(config.listen.http, '0.0.0.0:9000');
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
      store: { kind: 'redis', cluster: ['a:6379', '[::1]:6379'], tls: { ca: 'ca.pem' } },
      providers: [provider({ tls: { cert: 'c.pem', key: '/run/k.pem' } })],
    };
    const { config } = loaded(load(raw, { files }));
    assert.deepEqual(config.providers[0]?.tls, { cert: '/etc/akprox/c.pem', key: '/run/k.pem' });
    assert.deepEqual(config.store.kind === 'redis' && config.store.tls, { ca: '/etc/akprox/ca.pem', insecure: false });
  });

  test('has certificates and keys that fit each other', () => {
    const files = { '/etc/akprox/c.pem': PAIR.cert, '/etc/akprox/k.pem': OTHER.private };
    const result = load({ providers: [provider({ tls: { cert: 'c.pem', key: 'k.pem' } })] }, { files });
    assert.deepEqual(result.ok ? [] : result.problems.map(({ path }) => path), ['providers[0].tls']);
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

describe('secrets', () => {
  const at = (secret: unknown) =>
    load(
      { providers: [provider({ cookie_secret: secret })] },
      {
        env: { KEY: SECRET, EMPTY: '' },
        files: { '/run/key': `${SECRET}\n\n`, '/run/crlf': `${SECRET}\r\n`, '/run/empty': '\n' },
      },
    );
  const path = 'providers[0].cookie_secret';

  for (const [secret, wanted] of [
    [SECRET, SECRET],
    [{ env: 'KEY' }, SECRET],
    [{ file: '/run/crlf' }, SECRET],
    [{ file: '../../run/key' }, `${SECRET}\n`],
  ] as const) {
    test(JSON.stringify(secret), () => {
      assert.equal(loaded(at(secret)).config.providers[0]?.cookie_secret, wanted);
    });
  }

  for (const [secret, message] of [
    [{ env: 'NONE' }, 'environment variable NONE is not set'],
    [{ env: 'toString' }, 'environment variable toString is not set'],
    [{ env: 'EMPTY' }, 'environment variable EMPTY is empty'],
    [{ file: '/run/none' }, 'file /run/none cannot be read (ENOENT)'],
    [{ file: '/run/empty' }, 'file /run/empty is empty'],
    [{ env: 'KEY', file: '/run/key' }, 'expected a string, { env: NAME } or { file: PATH }'],
    [{ vault: 'x' }, 'expected a string, { env: NAME } or { file: PATH }'],
    [{}, 'expected a string, { env: NAME } or { file: PATH }'],
    [{ env: 7 }, 'expected a string, { env: NAME } or { file: PATH }'],
    [7, 'expected string, found number'],
    ['', 'must not be empty'],
    [undefined, 'is required'],
    ['short', 'is shorter than 32 bytes, `akprox secret` prints one'],
  ] as const) {
    test(`${JSON.stringify(secret)} is refused`, () => {
      assert.deepEqual(problemsOf(at(secret)), { [path]: message });
    });
  }

  test('are taken at each path that has one', () => {
    const env = { A: SECRET, B: 'b', C: 'c', D: 'd' };
    const raw = {
      store: {
        kind: 'redis',
        sentinels: ['s:26379'],
        name: 'm',
        password: { env: 'C' },
        sentinel_password: { env: 'D' },
      },
      providers: [provider({ cookie_secret: { env: 'A' } }, { client_secret: { env: 'B' } })],
    };
    const { config } = loaded(load(raw, { env }));
    assert.equal(config.providers[0]?.oidc.client_secret, 'b');
    assert.deepEqual(config.store.kind === 'redis' && [config.store.password, config.store.sentinel_password], [
      'c',
      'd',
    ]);
  });

  test('are taken nowhere else', () => {
    const result = load({ providers: [provider({ name: { env: 'KEY' } })] }, { env: { KEY: 'a' } });
    assert.deepEqual(problemsOf(result), { 'providers[0].name': 'expected string, found object' });
  });

  test('never appear in a problem', () => {
    const hidden = 'HIDDEN-VALUE';
    const raw = {
      listn: hidden,
      store: { kind: 'redis', url: `http://u:${hidden}@h`, password: [hidden], db: hidden },
      providers: [
        provider(
          { cookie_secret: hidden, external_host: `https://u:${hidden}@h`, extra: hidden },
          { issuer: `https://u:${hidden}@i`, client_secret: { [hidden]: 1 } },
        ),
      ],
    };
    const texts = [
      load(raw),
      loadYaml(`providers: [{ cookie_secret: "${hidden}" ]\n`),
      loadYaml(`a: 1\n"${hidden}" x\n`),
      loadYaml(`cookie_secret: '${hidden}\n`),
      loadYaml(`cookie_secret: @${hidden}\n`),
      loadYaml(`- ${hidden}\n`),
      loadYaml(`a: *${hidden}\n`),
    ].map((result) => JSON.stringify(problemsOf(result)));
    for (const text of texts) assert.ok(!text.includes(hidden), text);
  });
});

describe('the file', () => {
  test('that AKPROX_CONFIG names must be there', () => {
    const result = loadConfig({ env: { AKPROX_CONFIG: '/none.yaml' }, cwd: '/', readFile: diskOf({}) });
    assert.deepEqual(result, {
      ok: false,
      problems: [{ path: 'AKPROX_CONFIG', message: 'file /none.yaml cannot be read (ENOENT)' }],
      file: '/none.yaml',
    });
  });

  test('that is there must be readable', () => {
    const readFile = () => {
      throw Object.assign(new Error('denied'), { code: 'EACCES' });
    };
    assert.deepEqual(problemsOf(loadConfig({ env: {}, cwd: '/', readFile })), {
      'akprox.yaml': 'file /akprox.yaml cannot be read (EACCES)',
    });
  });

  test('or authentik: one of them is needed', () => {
    const result = loadConfig({ env: {}, cwd: '/srv', readFile: diskOf({}) });
    assert.deepEqual(problemsOf(result), {
      'akprox.yaml':
        'not found in /srv: write one, name one in AKPROX_CONFIG, or set AUTHENTIK_HOST and AUTHENTIK_TOKEN',
    });
    assert.equal(!result.ok && result.file, null);
  });

  for (const [name, yaml, wanted] of [
    ['a duplicate key', 'log:\n  level: info\n  level: warn\n', { 'akprox.yaml:3:3': 'Map keys must be unique' }],
    ['two documents', 'workers: 1\n---\nworkers: 2\n', { 'akprox.yaml:2:1': /multiple documents/ }],
    ['a tab', 'log:\n\tlevel: info\n', { 'akprox.yaml:2:1': /[Tt]abs/ }],
    ['a list', '- a\n', { 'akprox.yaml': 'expected settings, found a list or a scalar' }],
    ['an unknown alias', 'log: *x\n', { 'akprox.yaml': 'has an alias that cannot be resolved' }],
  ] as const) {
    test(`with ${name} is refused`, () => {
      const problems = problemsOf(loadYaml(yaml));
      for (const [path, message] of Object.entries<string | RegExp>(wanted)) {
        if (typeof message === 'string') assert.equal(problems[path], message);
        else assert.match(problems[path] ?? JSON.stringify(problems), message);
      }
    });
  }

  test('that cannot be parsed is not judged, the environment is', () => {
    const problems = problemsOf(loadYaml('a: [', { env: { AUTHENTIK_HOST: 'https://ak.tld' } }));
    assert.ok(Object.keys(problems).some((path) => path.startsWith('akprox.yaml:')));
    assert.equal(problems['AUTHENTIK_TOKEN'], 'is required beside AUTHENTIK_HOST');
  });
});

// [what, document, every problem]
const REFUSED: readonly (readonly [string, unknown, Record<string, string>])[] = [
  ['an unknown key, near one', { listn: {} }, { listn: 'unknown key, did you mean listen?' }],
  ['an unknown key, near none', { banana: 1 }, { banana: 'unknown key' }],
  [
    'unknown keys further down',
    { providers: [provider({ cookie_secrt: 1, session: { lifetme: '1h' } }, { isuser: 1 })] },
    {
      'providers[0].cookie_secrt': 'unknown key, did you mean cookie_secret?',
      'providers[0].oidc.isuser': 'unknown key, did you mean issuer?',
      'providers[0].session.lifetme': 'unknown key, did you mean lifetime?',
    },
  ],
  [
    'a key of the other store',
    { store: { kind: 'embedded', url: 'redis://h' } },
    { 'store.url': 'does not go with the `kind` of this store' },
  ],
  [
    'an unknown key inside a union',
    { store: { kind: 'redis', url: 'redis://h', tls: { cs: 'x' } } },
    { 'store.tls.cs': 'unknown key, did you mean ca?' },
  ],
  [
    'a wrong type inside a union',
    { store: { kind: 'redis', url: 'redis://h', tls: { insecure: 'x' } } },
    { 'store.tls.insecure': 'expected boolean, found string' },
  ],
  ['an unknown kind', { store: { kind: 'memory' } }, { 'store.kind': 'expected one of "embedded", "redis"' }],
  ['a union that fits nowhere', { workers: 'many' }, { workers: 'expected "auto" or number, found string' }],
  [
    'a section of the wrong type',
    { listen: 3, log: [] },
    { listen: 'expected object, found number', log: 'expected object, found array' },
  ],
  ['providers of the wrong type', { providers: { a: 1 } }, { providers: 'expected array, found object' }],
  ['a provider of the wrong type', { providers: ['a'] }, { 'providers[0]': 'expected object, found string' }],
  [
    'a missing mode',
    { providers: [provider({ mode: undefined })] },
    { 'providers[0].mode': 'is required, expected one of "forward_single", "forward_domain"' },
  ],
  ['a missing client', { providers: [provider({ oidc: undefined })] }, { 'providers[0].oidc': 'is required' }],
  [
    'a bad duration',
    { cache: { max_age: '1 minute' } },
    { 'cache.max_age': 'expected a duration such as 500ms, 60s, 5m, 24h or 7d' },
  ],
  // Listeners.
  ['no port', { listen: { http: '0.0.0.0' } }, { 'listen.http': 'expected ADDRESS:PORT' }],
  ['a port that is none', { listen: { http: '0.0.0.0:65536' } }, { 'listen.http': 'port is above 65535' }],
  [
    'a bracket without IPv6',
    { listen: { http: '[::1::]:80' } },
    { 'listen.http': 'expected an IPv6 address between [ and ]' },
  ],
  [
    'one address twice',
    { listen: { http: '127.0.0.1:1', compat: '127.0.0.1:1' } },
    { 'listen.compat': 'listens where listen.http does' },
  ],
  [
    'the address of a default',
    { listen: { http: '0.0.0.0:9443' } },
    { 'listen.https': 'listens where listen.http does' },
  ],
  [
    'an address below the wildcard',
    { listen: { metrics: '127.0.0.1:9000' } },
    { 'listen.metrics': 'listens where listen.http does' },
  ],
  [
    'a proxy that is no address',
    { trusted_proxies: ['10.0.0.0/8', '10', '10.0.0.0/33', 'proxy', '::1/129', '1.2.3.4/8/8'] },
    Object.fromEntries(
      [1, 2, 3, 4, 5].map((i) => [`trusted_proxies[${i}]`, 'expected an IP address or a network such as 10.0.0.0/8']),
    ),
  ],
  // The store.
  [
    'redis without a server',
    { store: { kind: 'redis' } },
    { store: 'needs exactly one of url, sentinels and cluster, has none' },
  ],
  [
    'redis with two ways',
    { store: { kind: 'redis', url: 'redis://h', cluster: ['a:1'] } },
    { store: 'needs exactly one of url, sentinels and cluster, has url and cluster' },
  ],
  [
    'sentinels without a name',
    { store: { kind: 'redis', sentinels: ['a:1'] } },
    { 'store.name': 'is required with sentinels' },
  ],
  [
    'sentinel settings without sentinels',
    { store: { kind: 'redis', url: 'redis://h', name: 'x', sentinel_password: 'p' } },
    { 'store.name': 'goes with sentinels only', 'store.sentinel_password': 'goes with sentinels only' },
  ],
  [
    'a database of a cluster',
    { store: { kind: 'redis', cluster: ['a:1'], db: 0 } },
    { 'store.db': 'does not go with cluster, which has one database' },
  ],
  [
    'ports of nodes',
    { store: { kind: 'redis', cluster: ['a:0', 'b:65536', 'c:1'] } },
    { 'store.cluster[0]': 'expected a port from 1 to 65535', 'store.cluster[1]': 'expected a port from 1 to 65535' },
  ],
  ['a node without port', { store: { kind: 'redis', cluster: ['a'] } }, { 'store.cluster[0]': 'expected HOST:PORT' }],
  [
    'another protocol',
    { store: { kind: 'redis', url: 'http://h' } },
    { 'store.url': 'expected redis:// or rediss://' },
  ],
  [
    'a URL with a bad port',
    { store: { kind: 'redis', url: 'redis://h:99999' } },
    { 'store.url': 'expected redis://HOST:PORT or rediss://HOST:PORT' },
  ],
  [
    'a URL without host',
    { store: { kind: 'redis', url: 'redis:///0' } },
    { 'store.url': 'expected redis://HOST:PORT or rediss://HOST:PORT' },
  ],
  [
    'half a client certificate that is missing',
    { store: { kind: 'redis', url: 'redis://h', tls: { cert: 'no.pem' } } },
    { 'store.tls': 'cert and key go together', 'store.tls.cert': 'file no.pem cannot be read (ENOENT)' },
  ],
  // Providers among each other.
  [
    'a name and a host twice',
    { providers: [provider(), provider({ external_host: 'http://WHOAMI.company.tld:80/' })] },
    { 'providers[1].name': 'is taken by providers[0]', 'providers[1].external_host': 'is taken by providers[0]' },
  ],
  // Cookie domains.
  [
    'a cookie domain in forward_single',
    { providers: [provider({ cookie_domain: 'company.tld' })] },
    { 'providers[0].cookie_domain': 'must be empty in forward_single' },
  ],
  [
    'no cookie domain in forward_domain',
    { providers: [domain({ cookie_domain: undefined })] },
    { 'providers[0].cookie_domain': 'is required in forward_domain' },
  ],
  ...['pany.tld', 'other.tld', 'x.auth.company.tld'].map(
    (cookie_domain) =>
      [
        `cookie domain ${cookie_domain}`,
        { providers: [domain({ cookie_domain })] },
        { 'providers[0].cookie_domain': 'external_host is neither this domain nor below it' },
      ] as const,
  ),
  ...['tld', '.com'].map(
    (cookie_domain) =>
      [
        `cookie domain ${cookie_domain}`,
        { providers: [domain({ cookie_domain })] },
        { 'providers[0].cookie_domain': 'has a single label, browsers keep no cookie for it' },
      ] as const,
  ),
  ...[
    '10.0.0.1',
    '::1',
    'company.tld:80',
    'https://company.tld',
    '*.company.tld',
    '..company.tld',
    '.',
    'company.tld.',
    'company.tld/',
    'company .tld',
    'a;b.tld',
  ].map(
    (cookie_domain) =>
      [
        `cookie domain ${cookie_domain}`,
        { providers: [domain({ cookie_domain })] },
        { 'providers[0].cookie_domain': 'expected a domain name, without scheme, port or path' },
      ] as const,
  ),
  // External hosts.
  ...[
    'whoami.company.tld',
    'ftp://a.tld',
    'https:a.tld',
    'https://',
    'https://a.tld/x',
    'https://a.tld//',
    'https://a.tld?',
    'https://a.tld#',
    'https://u@a.tld',
    'https://a.tld\\@b.tld',
    'https://a.tld:99999',
    'https://*.a.tld',
    'https://a..tld',
    'https://2130706433',
    ' https://a.tld',
    '',
  ].map(
    (external_host) =>
      [
        `external_host '${external_host}'`,
        { providers: [provider({ external_host })] },
        { 'providers[0].external_host': 'expected an origin: http:// or https://, a host, nothing behind it' },
      ] as const,
  ),
  // The client.
  ...[
    'auth.tld',
    'ftp://a.tld',
    'https://a.tld?x',
    'https://a.tld/#x',
    'https://u:p@a.tld',
    'https://',
    ' https://a.tld',
    'https://a b',
  ].map(
    (issuer) =>
      [
        `issuer '${issuer}'`,
        { providers: [provider({}, { issuer })] },
        { 'providers[0].oidc.issuer': 'expected an http:// or https:// URL without user, query or fragment' },
      ] as const,
  ),
  [
    'HS256 without a secret',
    { providers: [provider({}, { id_token_signed_response_alg: 'HS256' })] },
    { 'providers[0].oidc.client_secret': 'is required with id_token_signed_response_alg HS256' },
  ],
  [
    'a method without its secret',
    { providers: [provider({}, { token_endpoint_auth_method: 'client_secret_basic' })] },
    { 'providers[0].oidc.client_secret': 'is required with token_endpoint_auth_method client_secret_basic' },
  ],
  [
    'a certificate that is missing',
    { providers: [provider({ tls: { cert: 'a', key: 'akprox.yaml' } })] },
    {
      'providers[0].tls.cert': 'file a cannot be read (ENOENT)',
      'providers[0].tls.key': 'file akprox.yaml is not a PEM file',
    },
  ],
];

describe('refused', () => {
  for (const [name, raw, wanted] of REFUSED) {
    test(name, () => assert.deepEqual(problemsOf(load(raw)), wanted));
  }

  test('an expression that is not RE2, by its index', () => {
    const problems = problemsOf(
      load({ providers: [provider({ skip_path_regex: ['^/ok', '(', '(?=x)', '', '(a)\\1'] })] }),
    );
    assert.deepEqual(
      Object.keys(problems),
      [1, 2, 4].map((index) => `providers[0].skip_path_regex[${index}]`),
    );
    for (const message of Object.values(problems)) assert.match(message, /^is not an RE2 expression: /);
  });

  test('everything at once, secrets and schema and rules', () => {
    const raw = {
      banana: 1,
      listen: { http: 'x', metrics: '0.0.0.0:9443' },
      trusted_proxies: ['x'],
      store: { kind: 'redis' },
      providers: [
        provider({ mode: 'proxy', external_host: 'x', cookie_secret: { env: 'NONE' } }, { client_id: 4, issuer: 'x' }),
        provider(),
        provider(),
      ],
    };
    assert.deepEqual(Object.keys(problemsOf(load(raw, { env: { AUTHENTIK_TOKEN: 't' } }))), [
      'AUTHENTIK_HOST',
      'banana',
      'listen.http',
      'listen.metrics',
      'providers[0].cookie_secret',
      'providers[0].external_host',
      'providers[0].mode',
      'providers[0].oidc.client_id',
      'providers[0].oidc.issuer',
      'providers[1].name',
      'providers[2].external_host',
      'providers[2].name',
      'store',
      'trusted_proxies[0]',
    ]);
  });
});

describe('accepted', () => {
  for (const [name, raw] of [
    ['port 0 for every listener', { listen: { http: '127.0.0.1:0', https: '127.0.0.1:0', metrics: '127.0.0.1:0' } }],
    ['one port on two addresses', { listen: { http: '127.0.0.1:9000', compat: '[::1]:9000' } }],
    ['no HTTPS', { listen: { https: null, http: '0.0.0.0:9443' } }],
    ['addresses as proxies', { trusted_proxies: ['10.1.2.3', '::1', 'fe80::/10', '0.0.0.0/0'] }],
    ['sentinels', { store: { kind: 'redis', sentinels: ['a:26379', '[::1]:26379'], name: 'm', db: 2, tls: true } }],
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
      http: '0.0.0.0:8000',
      https: '[::]:8443',
      compat: '0.0.0.0:2',
      metrics: 'localhost:8300',
    });
    assert.deepEqual(config.log, { level: 'warn', checks: 'all' });
    assert.deepEqual(config.trusted_proxies, ['10.0.0.0/8', '::1/128']);
  });

  test('counts for nothing where it is empty', () => {
    const { config } = loaded(
      withEnv({ AUTHENTIK_LISTEN__HTTP: '', AUTHENTIK_LOG_LEVEL: '', AUTHENTIK_REDIS__HOST: '', AKPROX_CONFIG: '' }),
    );
    assert.equal(config.listen.http, '0.0.0.0:9000');
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
    assert.match(beside.warnings.join(), /ignored: the file has a `store`/);
    assert.match(loaded(withEnv({ AUTHENTIK_REDIS__DB: '1' })).warnings.join(), /AUTHENTIK_REDIS__HOST is not set/);
  });

  for (const [env, wanted] of [
    [{ AUTHENTIK_LISTEN__HTTP: '0.0.0.0' }, { 'listen.http': 'expected ADDRESS:PORT (from AUTHENTIK_LISTEN__HTTP)' }],
    [
      { AUTHENTIK_LISTEN__METRICS: ':9000' },
      { 'listen.metrics': 'listens where listen.http does (from AUTHENTIK_LISTEN__METRICS)' },
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
    [{ AUTHENTIK_TOKEN: 'file:///none' }, { AUTHENTIK_TOKEN: 'file /none cannot be read (ENOENT)' }],
    [{ AUTHENTIK_TOKEN: 'env://NONE' }, { AUTHENTIK_TOKEN: 'environment variable NONE is not set' }],
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

test('the metrics address is found whatever else is wrong', () => {
  const find = (yaml: string, env: Env = {}) =>
    loadMetricsAddress({ env, cwd: '/', readFile: diskOf({ '/akprox.yaml': yaml }) });
  assert.equal(find('listen: { metrics: "127.0.0.1:1" }\nbanana: 1\n'), '127.0.0.1:1');
  assert.equal(find('listen: { metrics: null }'), null);
  assert.equal(find('a: ['), '0.0.0.0:9300');
  assert.equal(find('a: [', { AUTHENTIK_LISTEN__METRICS: ':1' }), '0.0.0.0:1');
});
