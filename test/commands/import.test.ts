// `akprox import oauth2-proxy`: configurations as projects have them, what akprox says of the result, and oauth2-proxy itself of what went in.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { IMPORT_HELP, importConfiguration } from '../../src/commands/import/import-configuration.js';
import { isKnown } from '../../src/commands/import/oauth2-proxy.js';
import { loadConfig } from '../../src/config/load.js';
import { diskOf } from '../config/setup.js';
import { findOnPath } from '../kit/demo/proxies.js';
import { ALPHA, FILES } from './import-files.js';

interface Result {
  readonly code: number;
  readonly yaml: string;
  readonly provider: Record<string, unknown>;
  readonly document: Record<string, unknown>;
  /** By option; `!` before what is about who gets in. */
  readonly notes: Readonly<Record<string, string>>;
  readonly said: string;
}

function run(files: Record<string, string>, args: readonly string[] = []): Result {
  let [out, err] = ['', ''];
  const code = importConfiguration(['oauth2-proxy', ...Object.keys(files), ...args], {
    env: {},
    cwd: '/etc',
    readFile: diskOf(Object.fromEntries(Object.entries(files).map(([name, text]) => [`/etc/${name}`, text]))),
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    read: () => assert.fail(),
    serve: () => assert.fail(),
  });
  const document = (parse(out) ?? {}) as Record<string, unknown>;
  const [provider = {}] = (document['providers'] ?? []) as Record<string, unknown>[];
  const notes = [...err.matchAll(/^([! ]) ([\w[\]]+): (.*)$/gm)].map(([, mark, option, advice]) => [
    mark === '!' ? `!${option}` : option,
    advice,
  ]);
  return { code, yaml: out, provider, document, notes: Object.fromEntries(notes) as Record<string, string>, said: err };
}

const given = (title: string): Result => {
  const { name, text, args } = FILES[title] ?? assert.fail(title);
  return run({ [name]: text }, args);
};

/** The variables and files that the result names. */
function check({ yaml }: Result): void {
  const loaded = loadConfig({
    env: {
      AKPROX_CONFIG: '/etc/akprox.yaml',
      OAUTH2_PROXY_CLIENT_SECRET: 'a-client-secret',
      OAUTH2_PROXY_COOKIE_SECRET: 'x'.repeat(44),
    },
    cwd: '/etc',
    readFile: diskOf({
      '/etc/akprox.yaml': yaml,
      '/run/secrets/client': 'a',
      '/etc/COOKIE_SECRET_FILE': 'x'.repeat(44),
    }),
  });
  assert.ok(loaded.ok, JSON.stringify(loaded));
}

describe('akprox import oauth2-proxy', () => {
  for (const title of Object.keys(FILES)) {
    it(`${title}: akprox takes what comes out`, () => {
      const result = given(title);
      assert.equal(result.code, 0);
      check(result);
    });
  }

  it('makes forward_domain of a cookie for a domain; paths are compared with whole URLs there, and none opens more than before', () => {
    const { provider, notes, document } = given('a domain behind Traefik, with dex');
    const { mode, external_host, cookie_domain, access, cookie_secret, intercept_header_auth } = provider;
    assert.deepEqual(
      [mode, external_host, cookie_domain],
      ['forward_domain', 'https://login.company.tld', 'company.tld'],
    );
    assert.deepEqual(access, { email_domains: ['example.com', 'example.org'] });
    assert.equal(cookie_secret, 'OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w=');
    assert.equal(intercept_header_auth, false);
    const skipped = (provider['skip_path_regex'] as string[]).map((one) => new RegExp(one));
    const opens = (url: string): boolean => skipped.some((one) => one.test(url));
    for (const url of [
      'https://a.company.tld/metrics',
      'https://a.company.tld/metrics?x=1',
      'https://a.company.tld/assets/a.css',
    ])
      assert.ok(opens(url), url);
    for (const url of [
      'https://a.company.tld/secret?x=/public',
      'https://a.company.tld/probe',
      'https://a.company.tld/metrics/x',
      'https://assets/',
    ])
      assert.ok(!opens(url), url);
    assert.match(notes['skip_auth_routes'] ?? '', /\/public\.\*|\^\/probe/);
    assert.match(notes['whitelist_domains'] ?? '', /elsewhere\.tld/);
    assert.match(notes['set_xauthrequest'] ?? '', /X-Auth-Username/);
    assert.deepEqual(document['listen'], { http: '0.0.0.0:4180' });
  });

  it('keeps secrets where they are, and knows Keycloak, roles, Sentinel and bearer tokens', () => {
    const { provider, document, notes } = given('one application with Keycloak, roles and Redis');
    assert.deepEqual(provider, {
      name: 'wiki',
      mode: 'forward_single',
      external_host: 'https://wiki.company.tld',
      cookie_secret: { file: 'COOKIE_SECRET_FILE' },
      oidc: {
        issuer: 'https://keycloak.company.tld/realms/company',
        client_id: 'wiki',
        client_secret: { file: '/run/secrets/client' },
        scopes: ['openid', 'email', 'profile', 'offline_access'],
      },
      skip_path_regex: ['^/health$'],
      access: { groups: ['wiki-user'] },
      claims: { username: 'email', groups: 'realm_access.roles' },
      session: { lifetime: '750m' },
      bearer: { audiences: ['account'] },
      allow_preflight: true,
    });
    assert.deepEqual(document['store'], {
      kind: 'redis',
      sentinels: ['a:26379', 'b:26379'],
      name: 'mymaster',
      password: 'a-password',
    });
    assert.deepEqual(document['listen'], { http: '[::]:4180' });
    for (const option of ['upstreams', 'pass_access_token', 'skip_jwt_bearer_tokens'])
      assert.ok(option in notes, option);
    assert.ok(!('cookie_refresh' in notes), 'there is offline_access');
  });

  it('tells no secret: not in a message about a file that it cannot read, and not out of the environment', () => {
    for (const [name, text] of [
      ['a.cfg', 'client_secret = "s3cret\n'],
      ['b.cfg', 'cookie_secret = "s3cret"\n%\nclient_secret = "s3cret"\n'],
      ['a.yaml', 'providers: [clientSecret: [s3cret\n x: }'],
      ['b.yaml', 'providers: [{ clientSecret: *s3cret }]'],
    ] as const) {
      const { code, said, yaml } = run({ [name]: text });
      assert.deepEqual([code, yaml], [1, ''], name);
      assert.match(said, name === 'b.yaml' ? /alias/ : /: line \d:\d+: /, name);
      assert.doesNotMatch(said, /s3cret/, name);
    }
    const text = [
      'OAUTH2_PROXY_PROVIDER=google',
      'OAUTH2_PROXY_CLIENT_ID=a',
      'OAUTH2_PROXY_REDIRECT_URL=https://app.company.tld/oauth2/callback',
      'OAUTH2_PROXY_SESSION_STORE_TYPE=redis',
    ].join('\n');
    const one = run({ env: `${text}\nOAUTH2_PROXY_REDIS_CONNECTION_URL=redis://me:s3cret@redis:6379/1` });
    assert.deepEqual(one.document['store'], { kind: 'redis', url: 'redis://redis:6379/1' });
    assert.match(one.notes['redis_connection_url'] ?? '', /store\.password/);
    const urls = 'OAUTH2_PROXY_REDIS_CLUSTER_CONNECTION_URLS=redis://:s3cret@a:1,redis://:s3cret@b:2';
    const many = run({ env: `${text}\nOAUTH2_PROXY_REDIS_USE_CLUSTER=true\n${urls}` });
    assert.deepEqual(many.document['store'], { kind: 'redis', cluster: ['a:1', 'b:2'] });
    assert.match(many.notes['redis_cluster_connection_urls'] ?? '', /store\.password/);
    for (const { yaml, said } of [one, many]) assert.doesNotMatch(yaml + said, /s3cret/);
  });

  it('keeps everybody out where it cannot say who was let in', () => {
    const { provider, notes } = given('Google, whose groups no token has');
    assert.deepEqual(provider['access'], { groups: ['admins@company.tld'] });
    assert.match(notes['!google_group'] ?? '', /nobody gets in until you have looked/);
    assert.match(notes['!email_domains'] ?? '', /both an address and a group/);
    const { oidc, cookie_secret } = provider as { oidc: Record<string, unknown>; cookie_secret: string };
    assert.equal(oidc['issuer'], 'https://accounts.google.com');
    assert.deepEqual(oidc['authorization_params'], { prompt: 'select_account' });
    assert.deepEqual(provider['cookie'], { same_site: 'none' });
    assert.equal(notes['cookie_samesite'], undefined);
    assert.notEqual(cookie_secret, '0123456789abcdef', 'too short');
    assert.ok(notes['cookie_secret']);
    const nobody = run({ 'a.cfg': 'client_id="a"\nredirect_url="https://a.tld/oauth2/callback"\n' });
    assert.deepEqual(nobody.provider['access'], { email_domains: ['set-access.invalid'] });
    assert.ok('!email_domains' in nobody.notes);
  });

  it('lets in nobody for an address alone who needed a group besides', () => {
    const { provider, notes } = given('the environment of a container, with addresses and groups');
    assert.deepEqual(provider['access'], { groups: ['staff', 'admins'] });
    assert.ok('!email_domains' in notes);
    assert.deepEqual(provider['cookie_secret'], { env: 'OAUTH2_PROXY_COOKIE_SECRET' });
    const { client_secret, scopes } = provider['oidc'] as Record<string, unknown>;
    assert.deepEqual(client_secret, { env: 'OAUTH2_PROXY_CLIENT_SECRET' });
    assert.deepEqual(scopes, ['openid', 'email', 'profile', 'groups']);
    assert.deepEqual(provider['skip_path_regex'], ['^/api/health$', '^/a{1,2}/']);
    assert.match(notes['skip_auth_routes'] ?? '', /^GET=\^\/metrics\$: /);
  });

  it('reads the arguments of a Deployment, where a list is named after one of its entries', () => {
    const { provider, document } = given('arguments of a Deployment, without a redirect URL');
    assert.equal(provider['external_host'], 'https://grafana.company.tld');
    assert.deepEqual(provider['skip_path_regex'], ['^/api/health$', '^/public/.*']);
    assert.equal(provider['access'], undefined);
    assert.deepEqual(document['trusted_proxies'], ['10.0.0.7/32']);
  });

  it('reads the alpha configuration beside the file', () => {
    const result = run({ 'a.cfg': ALPHA.cfg, 'alpha.yaml': ALPHA.yaml });
    check(result);
    const { oidc, claims, access } = result.provider;
    assert.deepEqual(oidc, {
      issuer: 'https://dex.company.tld/dex',
      client_id: 'app',
      client_secret: 'b2F1dGgyLXByb3h5LWNsaWVudC1zZWNyZXQK',
      scopes: ['openid', 'email'],
      authorization_params: { prompt: 'login' },
    });
    assert.deepEqual([claims, access], [{ groups: 'roles' }, { email_domains: ['example.com'] }]);
    assert.ok('injectRequestHeaders' in result.notes);
  });

  for (const [what, text, says] of [
    [
      'an identity provider without OpenID Connect',
      'provider = "github"\nclient_id = "a"',
      /provider github is no OpenID Connect/,
    ],
    ['no issuer', 'provider = "oidc"', /oidc_issuer_url is missing/],
    ['no client', 'provider = "oidc"\noidc_issuer_url = "https://a.tld/"', /client_id is missing/],
    ['a file that is none', 'provider = ', /akprox: a\.cfg: /],
  ] as const) {
    it(`says why there can be no configuration: ${what}`, () => {
      const { code, yaml, said } = run({ 'a.cfg': text }, ['--external-host', 'https://a.tld']);
      assert.deepEqual([code, yaml], [1, '']);
      assert.match(said, says);
    });
  }

  it('says that it needs a host, a file, and which product', () => {
    assert.match(run({ 'a.cfg': 'client_id = "a"' }).said, /--external-host/);
    assert.equal(run({}).code, 2);
    assert.match(run({ 'b.cfg': '' }).said, /b\.cfg|--external-host/);
  });

  it('names an option that it does not know, and the one that was meant', () => {
    const { notes } = run({ 'a.cfg': 'client_id = "a"\nemail_domain = "*"' }, ['--external-host', 'https://a.tld']);
    assert.match(notes['email_domain'] ?? '', /did you mean email_domains\?/);
  });

  const program = process.env['OAUTH2_PROXY_BIN'] || findOnPath('oauth2-proxy', process.env['PATH'] ?? '');
  it('oauth2-proxy takes what goes in, and every option of its own is known here', {
    skip: !program && 'oauth2-proxy is not installed (OAUTH2_PROXY_BIN)',
  }, () => {
    const directory = mkdtempSync(join(tmpdir(), 'akprox-import-'));
    const ask = (args: string[], env: Record<string, string> = {}) =>
      spawnSync(program ?? '', args, { encoding: 'utf8', env: { PATH: process.env['PATH'], ...env } });
    try {
      writeFileSync(join(directory, 'cookie'), 'OQINaROshtE9TcZkNAm-5Zs2Pv3xaWytBmc5W7sPX7w=');
      for (const [title, { name, text }] of Object.entries(FILES)) {
        // It would ask Google with the key of a service account, and Redis.
        if (title.startsWith('Google')) continue;
        const file = join(directory, name);
        const offline = text.replace(/^(?:redis|session_store)_.*$/gm, '');
        writeFileSync(file, offline.replace(/COOKIE_SECRET_FILE|\/run\/secrets\/client/g, join(directory, 'cookie')));
        const lines = text.split('\n').map((line) => line.trim().replace(/^- /, '').replaceAll('"', ''));
        const variables = lines.filter((line) => line.startsWith('OAUTH2')).map((line) => line.split(/=(.*)/s));
        const flags = lines.filter((line) => line.startsWith('--'));
        const source = name.endsWith('.cfg') ? ['--config', file] : flags;
        const { status, stdout, stderr } = ask(['--config-test', ...source], Object.fromEntries(variables));
        assert.equal(status, 0, `${title}: ${stdout}${stderr}`);
      }
      const [cfg, alpha] = [join(directory, 'a.cfg'), join(directory, 'alpha.yaml')];
      writeFileSync(cfg, ALPHA.cfg);
      writeFileSync(alpha, ALPHA.yaml);
      const { status, stdout, stderr } = ask(['--config-test', '--config', cfg, '--alpha-config', alpha]);
      assert.equal(status, 0, stdout + stderr);

      const flags = [...ask(['--help']).stderr.matchAll(/^ +(?:-\w, )?--([a-z][\w-]+)/gm)].map(([, flag = '']) => flag);
      assert.ok(flags.length > 100);
      const own = new Set(['alpha-config', 'config', 'config-test', 'convert-config-to-alpha', 'help', 'version']);
      const unknown = flags
        .filter((flag) => !own.has(flag))
        .map((flag) => flag.replaceAll('-', '_'))
        .filter((option) => !isKnown(option) && !isKnown(`${option}s`));
      assert.deepEqual(unknown, []);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it('has a help that fits the table of commands', () => {
    assert.match(IMPORT_HELP, /akprox import oauth2-proxy oauth2-proxy\.cfg > akprox\.yaml && akprox check/);
  });
});
