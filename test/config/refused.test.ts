// Each rule by a row that breaks it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { domain, load, problemsOf, provider } from './setup.js';

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
    {
      'store.url':
        'does not go with `store.kind`, which is `embedded` unless it says `redis`: set that, or take this away',
    },
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
  [
    'a secret and a mode that YAML takes for numbers, and a duration without a unit',
    {
      listen: { socket: { mode: 432 } },
      cache: { max_age: 60 },
      providers: [provider({ cookie_secret: 1234567890123456 })],
    },
    {
      'cache.max_age': 'expected a duration such as 500ms, 60s, 5m, 24h or 7d, found number',
      'listen.socket.mode': 'expected string, found number: put it into quotes',
      'providers[0].cookie_secret': 'expected string, found number: put it into quotes',
    },
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
  ['no port', { listen: { http: '0.0.0.0' } }, { 'listen.http': 'expected ADDRESS:PORT or unix:/PATH' }],
  ['a relative path', { listen: { http: 'unix:a.sock' } }, { 'listen.http': 'expected ADDRESS:PORT or unix:/PATH' }],
  ...['unix:/run/', `unix:/${'a'.repeat(90)}`, 'unix:/run/a\nb'].map(
    (http) =>
      [
        `the path ${JSON.stringify(http)}`,
        { listen: { http } },
        { 'listen.http': 'expected a path of at most 90 bytes to a file, without control characters' },
      ] as const,
  ),
  ...(['https', 'compat', 'metrics'] as const).map(
    (key) =>
      [
        `a path for listen.${key}`,
        { listen: { [key]: 'unix:/run/a.sock' } },
        { [`listen.${key}`]: 'expected ADDRESS:PORT' },
      ] as const,
  ),
  [
    'modes that are none',
    { listen: { socket: { mode: '0o660', user: '', group: -1 } } },
    {
      'listen.socket.mode': 'expected octal digits in quotes, such as "0660"',
      'listen.socket.user': 'must not be empty',
      'listen.socket.group': 'expected number to be >=0',
    },
  ],
  // YAML reads 0660 as six hundred and sixty.
  [
    'a mode without quotes',
    { listen: { socket: { mode: 660 } } },
    { 'listen.socket.mode': 'expected string, found number: put it into quotes' },
  ],
  ['a port that is none', { listen: { http: '0.0.0.0:65536' } }, { 'listen.http': 'port is above 65535' }],
  [
    'a bracket without IPv6',
    { listen: { http: '[::1::]:80' } },
    { 'listen.http': 'expected an IPv6 address between [ and ]' },
  ],
  [
    'cookies for frames without https',
    {
      providers: [
        provider({ external_host: 'http://whoami.company.tld', cookie: { same_site: 'none', partitioned: true } }),
      ],
    },
    {
      'providers[0].cookie.partitioned': 'needs an https external_host: browsers take no such cookie from another',
      'providers[0].cookie.same_site': 'needs an https external_host: browsers take no such cookie from another',
    },
  ],
  [
    'one address twice',
    { listen: { http: '127.0.0.1:1', compat: '127.0.0.1:1' } },
    { 'listen.compat': 'listens where listen.http does: give it a port of its own' },
  ],
  [
    'the address of a default',
    { listen: { http: '0.0.0.0:9443' } },
    { 'listen.https': 'listens where listen.http does: give it a port of its own' },
  ],
  [
    'an address below the wildcard',
    { listen: { metrics: '127.0.0.1:9000' } },
    { 'listen.metrics': 'listens where listen.http does: give it a port of its own' },
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
    'a URL with options, which would not count',
    { store: { kind: 'redis', url: 'redis://h?password=p' } },
    { 'store.url': 'nothing behind "?" or "#" counts: write store.username, store.password and store.db' },
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
    {
      'store.tls': 'cert and key go together',
      'store.tls.cert': 'file no.pem cannot be read (ENOENT): correct the path, or put the file there',
    },
  ],
  // Providers among each other.
  [
    'a name and a host twice',
    { providers: [provider(), provider({ external_host: 'http://WHOAMI.company.tld:80/' })] },
    {
      'providers[1].name': 'is taken by providers[0]: give it one of its own',
      'providers[1].external_host': 'is taken by providers[0]: give it one of its own',
    },
  ],
  // Talking to the identity provider.
  [
    'a method without its key',
    { providers: [provider({}, { token_endpoint_auth_method: 'private_key_jwt' })] },
    { 'providers[0].oidc.private_key': 'is required with token_endpoint_auth_method private_key_jwt' },
  ],
  [
    'a key without its method, and not a key',
    { providers: [provider({}, { private_key: 'hunter2' })] },
    {
      'providers[0].oidc.private_key':
        'is no private key: expected PEM without a password, or a JWK with its private half',
      'providers[0].oidc.token_endpoint_auth_method': 'must be private_key_jwt, as there is an oidc.private_key',
    },
  ],
  [
    'a key that is not there',
    {
      providers: [provider({}, { private_key: { file: 'no.pem' }, token_endpoint_auth_method: 'private_key_jwt' })],
    },
    { 'providers[0].oidc.private_key': 'file no.pem cannot be read (ENOENT): correct the path, or put the file there' },
  ],
  [
    'parameters that are ours, and one that is none',
    {
      providers: [
        provider(
          {},
          {
            authorization_params: {
              state: 'x',
              scope: 'openid',
              redirect_uri: 'x',
              max_age: 'soon',
              prompt: '',
              a: [],
            },
          },
        ),
      ],
    },
    {
      'providers[0].oidc.authorization_params.state': 'is what akprox sets itself',
      'providers[0].oidc.authorization_params.scope': 'goes into oidc.scopes',
      'providers[0].oidc.authorization_params.redirect_uri': 'is what akprox sets itself',
      'providers[0].oidc.authorization_params.max_age': 'expected a number of seconds',
      'providers[0].oidc.authorization_params.prompt': 'must not be empty',
      'providers[0].oidc.authorization_params.a': 'expected string or number or boolean, found array',
    },
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
        {
          'providers[0].cookie_domain':
            'external_host is neither this domain nor below it: write the domain that the hosts of login and applications are below',
        },
      ] as const,
  ),
  ...['tld', '.com'].map(
    (cookie_domain) =>
      [
        `cookie domain ${cookie_domain}`,
        { providers: [domain({ cookie_domain })] },
        {
          'providers[0].cookie_domain':
            'has a single label, browsers keep no cookie for it: write a domain below it, such as company.tld',
        },
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
    'the address of the discovery document as issuer',
    { providers: [provider({}, { issuer: 'https://a.tld/.well-known/openid-configuration' })] },
    {
      'providers[0].oidc.issuer':
        'is where the identity provider tells it: leave /.well-known/openid-configuration out',
    },
  ],
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
    { listen: { tls: { cert: 'b' } }, providers: [provider({ tls: { cert: 'a', key: 'akprox.yaml' } })] },
    {
      'listen.tls.cert': 'file b cannot be read (ENOENT): correct the path, or put the file there',
      'listen.tls.key': 'is required',
      'providers[0].tls.cert': 'file a cannot be read (ENOENT): correct the path, or put the file there',
      'providers[0].tls.key': 'file akprox.yaml is not a PEM file: convert it, it has to have a line -----BEGIN …-----',
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
