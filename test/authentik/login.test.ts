// An OIDC client made of what core says: logins with shared and public keys, behind another name than browsers use, and
// over TLS that nobody trusts.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { generate } from 'selfsigned';
import { createCoreApi } from '../../src/authentik/api.js';
import { oidcOptionsOf } from '../../src/authentik/back-channel.js';
import { translateProviders } from '../../src/authentik/translate.js';
import { createOidcClient, type OidcClient } from '../../src/oidc/client.js';
import { beginLogin, callbackOutcome, finishLogin } from '../../src/oidc/flow.js';
import { clientCredentials, introspect } from '../../src/oidc/introspection.js';
import { createBrowser } from '../kit/browser.js';
import type { FakeCore, FakeCoreOptions } from '../kit/fake-core.js';
import { startTestCore, WHOAMI } from './setup.js';

const CALLBACK = `${WHOAMI.external_host}/outpost.goauthentik.io/callback?X-authentik-auth-callback=true`;

async function clientOf(core: FakeCore, env: { hostBrowser: string | null; insecure: boolean }): Promise<OidcClient> {
  const api = createCoreApi({ host: core.url, token: core.token, insecure: env.insecure });
  const [instance, results] = [await api.instance(), await api.proxyProviders()];
  const { providers, skipped } = translateProviders({ instance, results, env, certificates: new Map() });
  const [provider] = providers;
  assert.ok(provider, JSON.stringify(skipped));
  return createOidcClient({
    oidc: provider.oidc,
    redirectUri: CALLBACK,
    now: Date.now,
    monotonic: () => performance.now(),
    ...oidcOptionsOf(provider.authentik),
  });
}

async function logIn(client: OidcClient) {
  const login = await beginLogin(client, randomBytes);
  const back = await createBrowser().logIn(login.url, 'alice', (url) => url.startsWith(WHOAMI.external_host));
  const outcome = callbackOutcome(new URL(back.location ?? 'http://nowhere').searchParams);
  assert.ok(outcome.kind === 'code', `${back.status} ${back.body}`);
  return { login, result: await finishLogin(client, outcome, login) };
}

const start = (options: Partial<FakeCoreOptions> = {}): Promise<FakeCore> =>
  startTestCore({ providers: [WHOAMI], ...options });

describe('a login at a provider from authentik', () => {
  for (const alg of ['HS256', 'RS256', 'ES256', 'EdDSA'] as const) {
    it(`works with ${alg}`, async () => {
      await using core = await start({ alg });
      const client = await clientOf(core, { hostBrowser: null, insecure: false });
      const { result } = await logIn(client);
      assert.equal(result.claims.preferredUsername, 'alice');
      assert.notEqual(result.claims.sid, '');
      assert.ok(!core.requests.some(({ path }) => path.includes('.well-known')), 'no discovery');
      const bearer = await introspect(client, result.accessToken);
      assert.equal(bearer.active, true);
      assert.equal((await clientCredentials(client, 'alice', 'app password'))?.claims.sub, 'alice');
    });
  }

  for (const alg of ['HS256', 'RS256'] as const) {
    it(`works when browsers know authentik by another name (${alg})`, async () => {
      await using core = await start({ alg });
      const browserHost = `http://auth.localhost:${core.port}`;
      const client = await clientOf(core, { hostBrowser: browserHost, insecure: false });
      const { login, result } = await logIn(client);
      assert.ok(login.url.startsWith(`${browserHost}/application/o/authorize/`));
      assert.equal(result.claims.sub, 'alice');
      const token = core.requests.find(({ path }) => path === '/application/o/token/');
      assert.equal(token?.headers.host, `auth.localhost:${core.port}`);
      assert.equal(token?.headers['x-forwarded-proto'], 'http');
      assert.equal((await introspect(client, result.accessToken)).active, true);
    });
  }

  it('works over TLS that nobody trusts, with AUTHENTIK_INSECURE', async () => {
    const pems = await generate([{ name: 'commonName', value: 'core' }], { keyType: 'ec', curve: 'P-256' });
    await using core = await start({ alg: 'RS256', tls: { key: pems.private, cert: pems.cert } });
    const { result } = await logIn(await clientOf(core, { hostBrowser: null, insecure: true }));
    assert.equal(result.claims.sub, 'alice');
  });

  it('works at a provider that came while core was running', async () => {
    await using core = await startTestCore({ alg: 'HS256' });
    await core.setProviders([WHOAMI]);
    const { result } = await logIn(await clientOf(core, { hostBrowser: null, insecure: false }));
    assert.equal(result.claims.sub, 'alice');
  });
});
