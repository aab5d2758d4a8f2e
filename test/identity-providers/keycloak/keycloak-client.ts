// What Keycloak asks of a client: a key in the place of a secret, pushed requests; what it demands that we do not do; and its bearer
// tokens.
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { it } from 'node:test';
import { checkOnline } from '../../kit/check-online.js';
import { testProvider, traefikCheck } from '../../kit/daemon.js';
import type { ClientOptions } from '../../kit/keycloak-admin.js';
import { PASSWORD } from '../../kit/keycloak-admin.js';
import { clientAtOwnHost, hostOf, type KeycloakPart, type KeycloakWorld, oidcOf } from './keycloak-world.js';

const KEYS = {
  RS256: generateKeyPairSync('rsa', { modulusLength: 2_048 }),
  ES256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: generateKeyPairSync('ed25519'),
} as const;
type KeyAlgorithm = keyof typeof KEYS;
const KEY_ALGORITHMS = Object.keys(KEYS) as KeyAlgorithm[];

/** Keycloak's "Signed JWT": it has the public half. */
function signedJwt(algorithm: KeyAlgorithm, attributes: Record<string, string> = {}): Partial<ClientOptions> {
  const key = { ...KEYS[algorithm].publicKey.export({ format: 'jwk' }), kid: algorithm, use: 'sig', alg: algorithm };
  return {
    attributes: { 'use.jwks.string': 'true', 'jwks.string': JSON.stringify({ keys: [key] }), ...attributes },
    settings: { clientAuthenticatorType: 'client-jwt' },
  };
}

/** Public halves of keys that nobody signs with: what it encrypts for. */
const ENCRYPTION = {
  ...generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'jwk' }),
  ...{ kid: 'enc', use: 'enc', alg: 'RSA-OAEP' },
};

/** Demands of which a log line names the setting, here or there. [client, how it is set up, the line] */
const DEMANDS: readonly (readonly [string, Partial<ClientOptions>, RegExp])[] = [
  ['another-secret', { secret: 'that-we-do-not-know' }, /oidc\.client_secret and oidc\.token_endpoint_auth_method/],
  ['client-jwt', signedJwt('ES256'), /client-jwt.*oidc\.private_key and token_endpoint_auth_method: private_key_jwt/],
  ['pushed', { attributes: { 'require.pushed.authorization.requests': 'true' } }, /\(PAR\): set oidc\.par: true/],
  ['dpop', { attributes: { 'dpop.bound.access.tokens': 'true' } }, /demands DPoP/],
  [
    'encrypted',
    {
      attributes: {
        'id.token.encrypted.response.alg': 'RSA-OAEP',
        'id.token.encrypted.response.enc': 'A256GCM',
        'use.jwks.string': 'true',
        'jwks.string': JSON.stringify({ keys: [ENCRYPTION] }),
      },
    },
    /encrypted \(JWE\)/,
  ],
];

const BEARER = 'bearer';
const STRICT_BEARER = 'strict-bearer';

export const keycloakClient: KeycloakPart = {
  clients: [
    ...KEY_ALGORITHMS.map((algorithm) =>
      clientAtOwnHost(`key-${algorithm}`, signedJwt(algorithm, { 'require.pushed.authorization.requests': 'true' })),
    ),
    ...DEMANDS.map(([name, options]) => clientAtOwnHost(name, options)),
    clientAtOwnHost('asking'),
    clientAtOwnHost('asking-too-much'),
    clientAtOwnHost(BEARER),
    clientAtOwnHost(STRICT_BEARER),
  ],
  providers: (issuer) => [
    ...KEY_ALGORITHMS.map((algorithm) =>
      testProvider(issuer, {
        name: `key-${algorithm}`,
        external_host: hostOf(`key-${algorithm}`),
        oidc: {
          ...{ issuer, client_id: `key-${algorithm}`, par: true, token_endpoint_auth_method: 'private_key_jwt' },
          private_key: JSON.stringify({ ...KEYS[algorithm].privateKey.export({ format: 'jwk' }), kid: algorithm }),
        },
      }),
    ),
    ...DEMANDS.map(([name]) => testProvider(issuer, { name, external_host: hostOf(name), oidc: oidcOf(issuer, name) })),
    testProvider(issuer, {
      name: 'asking',
      external_host: hostOf('asking'),
      oidc: { ...oidcOf(issuer, 'asking'), authorization_params: { acr_values: '1', max_age: 300, ui_locales: 'de' } },
    }),
    testProvider(issuer, {
      name: 'asking-too-much',
      external_host: hostOf('asking-too-much'),
      oidc: { ...oidcOf(issuer, 'asking-too-much'), authorization_params: { acr_values: 'gold' } },
    }),
    testProvider(issuer, {
      name: BEARER,
      external_host: hostOf(BEARER),
      oidc: oidcOf(issuer, BEARER),
      bearer: { audiences: ['account'] },
    }),
    testProvider(issuer, {
      name: STRICT_BEARER,
      external_host: hostOf(STRICT_BEARER),
      oidc: oidcOf(issuer, STRICT_BEARER),
    }),
  ],
  tests: (world) => {
    for (const algorithm of KEY_ALGORITHMS) {
      it(`lets a client in that authenticates with a key (${algorithm}), and takes its request only when it was pushed`, async () => {
        const host = hostOf(`key-${algorithm}`);
        const cookie = await world().logInSmall(world().smallBrowser(), host, 'alice');
        const { status, headers } = await traefikCheck(world().daemon.http, `${host}/`, { cookie });
        assert.deepEqual([status, headers['x-auth-username']], [200, 'alice']);
      });
    }

    for (const [name, , line] of DEMANDS) {
      it(`refuses the client ${name}, and the log names what to set`, async () => {
        await refusedAt(world(), name, line);
      });
    }

    it('is asked by akprox check --online, which tells a good client from one that is not', async () => {
      const { issuer } = world().realm;
      const found = async (client: string, host = hostOf(client)): Promise<readonly string[]> => {
        const oidc = oidcOf(issuer, client);
        const { findings } = await checkOnline({ providers: [testProvider(issuer, { external_host: host, oidc })] });
        return findings;
      };
      assert.deepEqual(await found('asking'), []);
      assert.deepEqual(await found('another-secret'), ['client_refused']);
      assert.deepEqual(await found('asking', hostOf('elsewhere')), ['redirect_uri_refused']);
      assert.deepEqual(await found('nobody'), ['client_refused', 'redirect_uri_refused']);
    });

    it('does what acr_values and max_age ask for', async () => {
      await world().logInSmall(world().smallBrowser(), hostOf('asking'), 'alice');
    });

    it('lets somebody in without what acr_values asks for, and we do not', async () => {
      const page = await refusedAt(world(), 'asking-too-much', /acr than was asked for \(acr_values in oidc\./);
      assert.match(page, /acr_values/);
    });

    it('calls ID tokens and refresh tokens active, and only access tokens open anything', async () => {
      const { daemon, realm } = world();
      const tokensOf = async (client: string): Promise<Record<string, string>> => {
        const form = { grant_type: 'password', scope: 'openid', username: 'alice', password: PASSWORD };
        const body = new URLSearchParams({ ...form, client_id: client, client_secret: `${client}-client-secret` });
        const answer = await fetch(`${realm.issuer}/protocol/openid-connect/token`, { method: 'POST', body });
        return (await answer.json()) as Record<string, string>;
      };
      const check = (client: string, token = '') =>
        traefikCheck(daemon.http, `${hostOf(client)}/`, { headers: { Authorization: `Bearer ${token}` } });
      const own = await tokensOf(BEARER);
      const { status, headers } = await check(BEARER, own['access_token']);
      assert.deepEqual([status, headers['x-auth-username']], [200, 'alice']);
      for (const token of [own['id_token'], own['refresh_token'], `${own['access_token']}x`]) {
        const refused = await check(BEARER, token);
        assert.deepEqual([refused.status, refused.headers['www-authenticate']], [401, 'Bearer error="invalid_token"']);
      }
      // Without the setting: Keycloak's own tokens are for `account`.
      const other = await tokensOf(STRICT_BEARER);
      assert.equal((await check(STRICT_BEARER, other['access_token'])).status, 401);
      const counted = await daemon.metric('akprox_credentials_refused_total', 'reason="token_type"');
      assert.equal(counted, 2);
      assert.equal(await daemon.metric('akprox_credentials_refused_total', 'reason="audience"'), 1);
    });
  },
};

/** The page that a login at `name` ends with. */
async function refusedAt(world: KeycloakWorld, name: string, line: RegExp): Promise<string> {
  const ended = await world.tryToLogInSmall(world.smallBrowser(), hostOf(name), 'alice');
  assert.notEqual(ended.location, `${hostOf(name)}/`);
  assert.ok(ended.status >= 400, `${ended.status} ${ended.url} ${ended.body}`);
  await world.daemon.waitFor(({ provider, err }) => provider === name && line.test(String(err)));
  return ended.body;
}
