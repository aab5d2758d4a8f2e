// authentik's JSON → provider configuration: what is taken over, what is forgiven, and what is skipped and named.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { certificatesOf, type TranslateInput, translateProviders } from '../../src/authentik/translate.js';
import { providerSchema } from '../../src/config/provider-schema.js';
import { instanceOf, rawProvider } from './setup.js';

const DAY = 86_400_000;

function translate(results: unknown[], overrides: Partial<TranslateInput> = {}) {
  return translateProviders({
    results,
    instance: instanceOf({ authentik_host: 'https://auth.company.tld/' }),
    env: { hostBrowser: null, insecure: false },
    certificates: new Map(),
    ...overrides,
  });
}

function one(fields: Record<string, unknown> = {}, overrides: Partial<TranslateInput> = {}) {
  const { providers, skipped, warnings } = translate([rawProvider(fields)], overrides);
  const [provider] = providers;
  assert.ok(provider, JSON.stringify(skipped));
  return { provider, warnings };
}

describe('a provider from authentik', () => {
  it('is what the official outpost would make of it', () => {
    const { provider, warnings } = one();
    assert.deepEqual(warnings, []);
    const application = 'https://auth.company.tld/application/o';
    assert.deepEqual(provider, {
      name: 'whoami',
      display_name: '',
      mode: 'forward_single',
      origin: {
        origin: 'https://whoami.company.tld',
        host: 'whoami.company.tld',
        hostname: 'whoami.company.tld',
        secure: true,
      },
      external_host: 'https://whoami.company.tld',
      cookie_domain: '',
      cookie_secret: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345',
      prefix: '/outpost.goauthentik.io',
      oidc: {
        issuer: `${application}/whoami/`,
        client_id: 'client-123',
        client_secret: 'client-secret',
        scopes: ['openid', 'ak_proxy', 'email', 'profile'],
      },
      skip_path_regex: [],
      access: { groups: [], emails: [], email_domains: [] },
      claims: { groups: 'groups', keep: false },
      session: { lifetime: 30 * DAY, refresh: true, grace: 0 },
      headers: { families: ['akprox', 'authentik'], pass_jwt: true, assertion: false, max_bytes: 16_384 },
      basic_auth: { enabled: false, user_attribute: '', password_attribute: '' },
      bearer: { audiences: [] },
      cookie: { same_site: 'lax', partitioned: false },
      intercept_header_auth: true,
      allow_preflight: false,
      authentik: {
        pk: 7,
        application_slug: 'whoami',
        outpost_name: 'outpost',
        jwks_uri: `${application}/whoami/jwks/`,
        metadata: {
          issuer: `${application}/whoami/`,
          authorization_endpoint: `${application}/authorize/`,
          token_endpoint: `${application}/token/`,
          jwks_uri: `${application}/whoami/jwks/`,
          userinfo_endpoint: `${application}/userinfo/`,
          end_session_endpoint: `${application}/whoami/end-session/`,
          introspection_endpoint: `${application}/introspect/`,
          id_token_signing_alg_values_supported: ['RS256'],
        },
        back_channel: null,
        insecure: false,
      },
    });
  });

  it('has every member that one from the file has', () => {
    const fromFile = providerSchema.parse({
      name: 'x',
      mode: 'forward_single',
      external_host: 'https://x.tld',
      cookie_secret: 's',
      oidc: { issuer: 'https://i.tld', client_id: 'c' },
    });
    const { provider } = one();
    for (const key of Object.keys(fromFile)) assert.ok(key in provider, key);
  });

  const taken: [string, Record<string, unknown>, (p: ReturnType<typeof one>['provider']) => unknown, unknown][] = [
    ['unknown fields are ignored', { surprise: { deep: [1] } }, (p) => p.name, 'whoami'],
    ['a float where an integer belongs', { pk: 7.0, access_token_validity: 86400.5 }, (p) => p.authentik?.pk, 7],
    ['a pk as text', { pk: '7' }, (p) => p.authentik?.pk, 7],
    [
      'nulls are as good as missing',
      {
        skip_path_regex: null,
        basic_auth_enabled: null,
        cookie_domain: null,
        certificate: null,
        scopes_to_request: null,
        access_token_validity: null,
        intercept_header_auth: null,
        assigned_application_slug: null,
      },
      (p) => [
        p.skip_path_regex,
        p.basic_auth.enabled,
        p.intercept_header_auth,
        p.oidc.scopes,
        p.authentik?.application_slug,
      ],
      [[], false, true, ['openid', 'ak_proxy', 'email', 'profile'], ''],
    ],
    [
      'missing fields too',
      {
        skip_path_regex: undefined,
        scopes_to_request: undefined,
        access_token_validity: undefined,
        intercept_header_auth: undefined,
        certificate: undefined,
      },
      (p) => [p.skip_path_regex, p.intercept_header_auth],
      [[], true],
    ],
    ['header authentication can be off', { intercept_header_auth: false }, (p) => p.intercept_header_auth, false],
    [
      '`openid` is always asked for',
      { scopes_to_request: ['email', 7, 'email', 'bad scope'] },
      (p) => p.oidc.scopes,
      ['openid', 'email'],
    ],
    ['a long token is not cut short', { access_token_validity: 90 * 86_400 }, (p) => p.session.lifetime, 90 * DAY],
    [
      'the field of 2021',
      { access_token_validity: undefined, token_validity: 90 * 86_400 },
      (p) => p.session.lifetime,
      90 * DAY,
    ],
    [
      'basic auth',
      { basic_auth_enabled: true, basic_auth_user_attribute: 'u', basic_auth_password_attribute: 'p' },
      (p) => p.basic_auth,
      { enabled: true, user_attribute: 'u', password_attribute: 'p' },
    ],
    [
      'allow-list lines, blank ones dropped',
      { skip_path_regex: '^/a\r\n\n  \n^/b$' },
      (p) => p.skip_path_regex,
      ['^/a', '^/b$'],
    ],
    [
      'a port belongs to the host',
      { external_host: 'https://Whoami.company.tld:8443/' },
      (p) => p.external_host,
      'https://whoami.company.tld:8443',
    ],
    [
      'a cookie domain without its dots',
      { mode: 'forward_domain', cookie_domain: '..Company.tld' },
      (p) => p.cookie_domain,
      'company.tld',
    ],
    ['a cookie domain counts in domain mode only', { cookie_domain: 'company.tld' }, (p) => p.cookie_domain, ''],
    ['no client secret: none is sent', { client_secret: '' }, (p) => 'client_secret' in p.oidc, false],
    ['control characters in a name', { name: 'who\r\nami' }, (p) => p.name, 'who ami'],
    ['no name', { name: null }, (p) => p.name, 'provider 7'],
    [
      'HS256',
      {
        oidc_configuration: {
          ...(rawProvider()['oidc_configuration'] as object),
          id_token_signing_alg_values_supported: ['HS256'],
        },
      },
      (p) => p.authentik?.metadata.id_token_signing_alg_values_supported,
      ['HS256'],
    ],
    [
      'no list of algorithms',
      {
        oidc_configuration: {
          ...(rawProvider()['oidc_configuration'] as object),
          id_token_signing_alg_values_supported: null,
        },
      },
      (p) => p.authentik?.metadata.id_token_signing_alg_values_supported,
      undefined,
    ],
  ];
  for (const [title, fields, look, expected] of taken) {
    it(title, () => assert.deepEqual(look(one(fields).provider), expected));
  }

  it('goes on without an expression that does not compile, and names the line', () => {
    const { provider, warnings } = one({ skip_path_regex: '^/ok\n(?!look)ahead' });
    assert.deepEqual(provider.skip_path_regex, ['^/ok']);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /"whoami": .*line 2 is not an RE2 expression/);
  });

  it('has one warning for expressions that say where the URL ends', () => {
    const { warnings } = one({ skip_path_regex: '^/public/\n^/$\n\\.css$' });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0] ?? '', /"whoami": an unauthenticated path says where the URL ends .*nginx/);
    assert.deepEqual(one({ skip_path_regex: '^/public/' }).warnings, []);
  });

  it('has its certificate, or a warning', () => {
    const files = { cert: '/x.crt', key: '/x.key' };
    const { provider } = one({ certificate: 'uuid-1' }, { certificates: new Map([['uuid-1', files]]) });
    assert.deepEqual(provider.tls, files);
    const without = one({ certificate: 'uuid-2' });
    assert.equal(without.provider.tls, undefined);
    assert.match(without.warnings.join(), /"whoami": its certificate cannot be used/);
    assert.deepEqual(certificatesOf([rawProvider({ certificate: 'a' }), rawProvider({ certificate: 'a' }), null]), [
      'a',
    ]);
  });
});

describe('a provider that is skipped and named', () => {
  const endpoints = rawProvider()['oidc_configuration'] as Record<string, unknown>;
  const refused: [string, Record<string, unknown>, RegExp][] = [
    ['proxy mode', { mode: 'proxy' }, /mode is `proxy`/],
    ['no mode, as in 2022', { mode: null }, /mode is `proxy`/],
    ['an unknown mode', { mode: 'forward_all' }, /not one that akprox knows/],
    ['an external host with a path', { external_host: 'https://company.tld/app' }, /has a path \(\/app\)/],
    ['an external host that is none', { external_host: 'whoami' }, /not an http:\/\/ or https:\/\/ origin/],
    ['an external host with a user', { external_host: 'https://a@b.tld' }, /not an http/],
    ['no external host', { external_host: null }, /no external host/],
    ['an empty cookie secret', { cookie_secret: '' }, /cookie secret is empty/],
    ['a missing cookie secret', { cookie_secret: undefined }, /cookie secret is empty/],
    ['a short cookie secret', { cookie_secret: 'x'.repeat(31) }, /shorter than 32 bytes/],
    ['no client id', { client_id: null }, /no client id/],
    ['domain mode without a domain', { mode: 'forward_domain', cookie_domain: '' }, /cookie domain is missing/],
    [
      'domain mode elsewhere',
      { mode: 'forward_domain', cookie_domain: 'pany.tld' },
      /neither its cookie domain pany\.tld nor below/,
    ],
    ['no pk', { pk: 'seven' }, /no usable pk/],
    ['no endpoints', { oidc_configuration: null }, /no usable issuer/],
    [
      'an endpoint that is no URL',
      { oidc_configuration: { ...endpoints, token_endpoint: 'file:///x' } },
      /no usable token_endpoint/,
    ],
    [
      'an algorithm that we cannot verify',
      { oidc_configuration: { ...endpoints, id_token_signing_alg_values_supported: ['Ed448'] } },
      /signed with Ed448/,
    ],
    [
      'HS256 without a secret',
      { client_secret: '', oidc_configuration: { ...endpoints, id_token_signing_alg_values_supported: ['HS256'] } },
      /no client secret/,
    ],
  ];
  for (const [title, fields, reason] of refused) {
    it(title, () => {
      const fine = rawProvider({ pk: 8, name: 'fine', external_host: 'https://fine.company.tld' });
      const { providers, skipped } = translate([rawProvider(fields), fine]);
      assert.deepEqual(
        providers.map((provider) => provider.name),
        ['fine'],
      );
      assert.equal(skipped.length, 1);
      assert.equal(skipped[0]?.name, 'whoami');
      assert.match(skipped[0]?.reason ?? '', reason);
    });
  }

  it('the later of two with the same host', () => {
    const later = rawProvider({ pk: 8, name: 'later', external_host: 'http://whoami.company.tld' });
    const twin = rawProvider({ pk: 9, name: 'twin', external_host: 'https://whoami.company.tld/' });
    const { providers, skipped } = translate([rawProvider(), twin, later]);
    assert.deepEqual(
      providers.map((provider) => provider.name),
      ['whoami'],
    );
    assert.deepEqual(
      skipped.map(({ name }) => name),
      ['twin', 'later'],
    );
    assert.match(skipped[0]?.reason ?? '', /whoami\.company\.tld is that of "whoami"/);
  });

  it('anything that is not an object', () => {
    const { providers, skipped } = translate([null, 7, 'x', [], {}]);
    assert.equal(providers.length, 0);
    assert.equal(skipped.length, 5);
  });

  it('never says a secret', () => {
    const { skipped, warnings } = translate([
      rawProvider({ cookie_secret: 'short-secret', skip_path_regex: '(' }),
      rawProvider({ pk: 8, mode: 'x', client_secret: 'hidden-secret' }),
    ]);
    assert.doesNotMatch(JSON.stringify([skipped, warnings]), /short-secret|hidden-secret/);
  });
});

describe('hosts of the endpoints', () => {
  const facts = (authentikHost: unknown, hostBrowser: string | null) => {
    const { provider, warnings } = one(
      {
        oidc_configuration: JSON.parse(
          JSON.stringify(rawProvider()['oidc_configuration']).replaceAll(
            'https://auth.company.tld',
            'http://server:9000',
          ),
        ),
      },
      { instance: instanceOf({ authentik_host: authentikHost }), env: { hostBrowser, insecure: true } },
    );
    assert.ok(provider.authentik);
    return { ...provider.authentik, oidc: provider.oidc, warnings };
  };

  it('stay as they are, without AUTHENTIK_HOST_BROWSER', () => {
    const { metadata, back_channel, insecure } = facts('http://server:9000', null);
    assert.equal(metadata.authorization_endpoint, 'http://server:9000/application/o/authorize/');
    assert.equal(back_channel, null);
    assert.equal(insecure, true);
  });

  it('move to AUTHENTIK_HOST_BROWSER where a browser or a token sees them', () => {
    const { metadata, back_channel, oidc, jwks_uri } = facts('http://other', 'https://auth.company.tld');
    assert.equal(metadata.issuer, 'https://auth.company.tld/application/o/whoami/');
    assert.equal(oidc.issuer, metadata.issuer);
    assert.equal(metadata.authorization_endpoint, 'https://auth.company.tld/application/o/authorize/');
    assert.equal(metadata.end_session_endpoint, 'https://auth.company.tld/application/o/whoami/end-session/');
    assert.equal(metadata.token_endpoint, 'http://server:9000/application/o/token/');
    assert.equal(metadata.introspection_endpoint, 'http://server:9000/application/o/introspect/');
    assert.equal(jwks_uri, 'http://server:9000/application/o/whoami/jwks/');
    assert.deepEqual(back_channel, { host: 'auth.company.tld', proto: 'https' });
  });

  it('are called by the name of authentik_host, and a difference is pointed out', () => {
    const { metadata, back_channel, warnings } = facts('https://auth.company.tld:8443/', null);
    assert.equal(metadata.issuer, 'http://server:9000/application/o/whoami/');
    assert.deepEqual(back_channel, { host: 'auth.company.tld:8443', proto: 'https' });
    assert.match(warnings.join(), /set AUTHENTIK_HOST_BROWSER/);
  });

  for (const missing of [undefined, null, 7, '', 'not a url']) {
    it(`do without an authentik_host of ${JSON.stringify(missing)}`, () => {
      const { back_channel, warnings } = facts(missing, null);
      assert.equal(back_channel, null);
      assert.match(warnings.join(), /no usable authentik_host/);
    });
  }
});
