// How we get to the identity provider: with a CA of the operator's, by way of a proxy, at another address than the issuer's.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer as createHttps } from 'node:https';
import { after, before, describe, test } from 'node:test';
import { generate } from 'selfsigned';
import type { OutgoingProxies } from '../../src/infra/outgoing-proxy.js';
import { createOidcClient, type OidcClient } from '../../src/oidc/client.js';
import { beginLogin, endSessionUrl, finishLogin } from '../../src/oidc/flow.js';
import { type ConnectProxy, startConnectProxy } from '../kit/connect-proxy.js';
import type { Idp } from '../kit/idp.js';
import { type Listening, listenLocally } from '../kit/listening.js';
import { authorize, failsWith, REDIRECT_URI, SECRET, startTestIdp, tamper, testClient } from './setup.js';

/** As a worker makes it: with nothing in the place of `fetch`. */
function realClient(issuer: string, options: { ca?: string; proxies?: OutgoingProxies } = {}): OidcClient {
  const { ca, proxies } = options;
  return createOidcClient({
    oidc: { issuer, client_id: 'app', client_secret: SECRET, scopes: ['openid'], ...(ca !== undefined && { ca }) },
    redirectUri: REDIRECT_URI,
    now: Date.now,
    monotonic: () => performance.now(),
    proxies,
  });
}

describe('an identity provider with a certificate of a CA that nobody else knows', () => {
  let server: Listening;
  let ca: string;
  let other: string;
  let issuer: string;
  let proxy: ConnectProxy;
  before(async () => {
    const names = {
      extensions: [
        {
          name: 'subjectAltName',
          altNames: [
            { type: 2, value: 'idp.company.tld' },
            { type: 7, ip: '127.0.0.1' },
          ],
        },
      ],
    };
    const pems = await generate([{ name: 'commonName', value: 'idp' }], { keyType: 'ec', ...names } as Parameters<
      typeof generate
    >[1]);
    ca = pems.cert;
    other = (await generate([{ name: 'commonName', value: 'other' }], { keyType: 'ec' })).cert;
    server = await listenLocally(
      createHttps({ key: pems.private, cert: pems.cert }, (req, res) => {
        const at = `https://${req.headers.host}`;
        res.setHeader('Content-Type', 'application/json');
        res.end(
          JSON.stringify({
            issuer: at,
            authorization_endpoint: `${at}/authorize`,
            token_endpoint: `${at}/token`,
            jwks_uri: `${at}/jwks`,
          }),
        );
      }),
    );
    issuer = `https://127.0.0.1:${server.port}`;
    proxy = await startConnectProxy();
  });
  after(async () => {
    await proxy.close();
    await server.close();
  });

  test('oidc.ca is what it is trusted by', async () => {
    assert.equal((await realClient(issuer, { ca }).discover()).metadata.issuer, issuer);
    // A bundle.
    await realClient(issuer, { ca: `${other}\n${ca}` }).discover();
  });

  test('without it, and with another, the error names the setting', async () => {
    for (const options of [{}, { ca: other }])
      await assert.rejects(realClient(issuer, options).discover(), failsWith('idp_unreachable', /TLS .*oidc\.ca/));
  });

  test('by way of a proxy, with both', async () => {
    proxy.target = server.port;
    proxy.seen.length = 0;
    // A name that only the proxy knows.
    const named = 'https://idp.company.tld';
    const proxies = { http: '', https: `http://127.0.0.1:${proxy.port}`, except: [] };
    assert.equal((await realClient(named, { ca, proxies }).discover()).metadata.issuer, named);
    assert.deepEqual(proxy.seen, ['CONNECT idp.company.tld:443']);
    await assert.rejects(realClient(named, { proxies }).discover(), failsWith('idp_unreachable', /TLS .*oidc\.ca/));
  });

  test('a proxy that refuses, or is not there, is named by its variable', async () => {
    proxy.target = undefined;
    const closed = await listenLocally(createHttps());
    await closed.close();
    for (const port of [proxy.port, closed.port]) {
      const proxies = { http: '', https: `http://127.0.0.1:${port}`, except: [] };
      await assert.rejects(
        realClient('https://idp.company.tld', { ca, proxies }).discover(),
        failsWith('idp_unreachable', /idp\.company\.tld by way of the proxy that HTTPS_PROXY names/),
      );
    }
  });
});

describe('by way of a proxy that asks who we are', () => {
  let proxy: ConnectProxy;
  let idp: Idp;
  const ISSUER = 'http://idp.company.tld';
  before(async () => {
    proxy = await startConnectProxy();
    proxy.credentials = 'akprox:p@ss';
    idp = await startTestIdp({ issuer: ISSUER });
    proxy.target = idp.port;
  });
  after(async () => {
    await idp.close();
    await proxy.close();
  });

  test('everything is asked there, in the open as it is http:', async () => {
    const proxies = { http: `http://akprox:p%40ss@127.0.0.1:${proxy.port}`, https: '', except: [] };
    const client = realClient(ISSUER, { proxies });
    await beginLogin(client, randomBytes);
    await assert.rejects(
      finishLogin(
        client,
        { code: 'made-up', iss: ISSUER },
        { state: 's', nonce: 'n', codeVerifier: 'v'.repeat(43), startedAt: Date.now() },
      ),
      failsWith('idp_rejected', /invalid_grant/),
    );
    assert.deepEqual(proxy.seen, [`GET ${ISSUER}/.well-known/openid-configuration`, `POST ${ISSUER}/token`]);
  });

  test('without a password nobody is asked, and the error names the variable and not the proxy', async () => {
    const proxies = { http: `http://u:hunter2@127.0.0.1:${proxy.port}`, https: '', except: [] };
    await assert.rejects(realClient(ISSUER, { proxies }).discover(), (error: Error) => {
      assert.match(error.message, /HTTP_PROXY/);
      assert.doesNotMatch(`${error.message} ${String(error.cause)}`, /hunter2/);
      return true;
    });
  });

  test('what NO_PROXY names is not', async () => {
    proxy.seen.length = 0;
    const proxies = { http: `http://127.0.0.1:${proxy.port}`, https: '', except: ['company.tld'] };
    await assert.rejects(
      realClient(ISSUER, { proxies }).discover(),
      failsWith('idp_unreachable', /^no answer .*company\.tld$/),
    );
    assert.deepEqual(proxy.seen, []);
  });
});

describe('with oidc.internal_url', () => {
  const ISSUER = 'https://idp.company.tld';
  let idp: Idp;
  before(async () => {
    idp = await startTestIdp({ issuer: ISSUER });
  });
  after(() => idp.close());

  /** Whatever is asked is noted; what is not inside cannot be reached. */
  function inside(asked: string[], change: Parameters<typeof tamper>[1] = (body) => body): typeof fetch {
    return (input, init) => {
      asked.push(`${init?.method} ${String(input)}`);
      if (!String(input).startsWith(`http://127.0.0.1:${idp.port}/`)) throw new TypeError('fetch failed');
      return tamper('/openid-configuration', change)(input, init);
    };
  }

  test('what we ask is asked there, over http: too; the browser and `iss` keep the issuer', async () => {
    const asked: string[] = [];
    const origin = `http://127.0.0.1:${idp.port}`;
    const client = testClient(ISSUER, { fetch: inside(asked), oidc: { internal_url: origin } });
    const login = await beginLogin(client, randomBytes);
    assert.equal(new URL(login.url).origin, ISSUER);
    // The browser's proxy.
    const callback = await authorize({ ...login, url: login.url.replace(ISSUER, origin) });
    assert.equal(callback.iss, ISSUER);
    const { claims } = await finishLogin(client, callback, login);
    assert.equal(claims.sub, 'alice');
    const end = await endSessionUrl(client, {
      idToken: null,
      postLogoutRedirectUri: 'http://app.localhost/',
      state: 's',
    });
    assert.equal(new URL(end ?? '').origin, ISSUER);
    assert.deepEqual(asked, [
      `GET ${origin}/.well-known/openid-configuration`,
      `POST ${origin}/token`,
      `GET ${origin}/jwks`,
    ]);
  });

  test('a document that names the inner address sends no browser there, and other origins are left alone', async () => {
    const origin = `http://127.0.0.1:${idp.port}`;
    const fetch = inside([], (body) => ({
      ...body,
      authorization_endpoint: `${origin}/auth?x=1`,
      jwks_uri: `${origin}/jwks`,
      userinfo_endpoint: 'https://userinfo.elsewhere.tld/me',
    }));
    const { metadata } = await testClient(ISSUER, { fetch, oidc: { internal_url: origin } }).discover();
    assert.equal(metadata.authorization_endpoint, `${ISSUER}/auth?x=1`);
    assert.equal(metadata.jwks_uri, `${ISSUER}/jwks`);
    assert.equal(metadata.userinfo_endpoint, 'https://userinfo.elsewhere.tld/me');
  });

  test('an identity provider that calls itself by another name is still refused', async () => {
    const fetch = inside([], (body) => ({ ...body, issuer: `http://127.0.0.1:${idp.port}` }));
    const client = testClient(ISSUER, { fetch, oidc: { internal_url: `http://127.0.0.1:${idp.port}` } });
    await assert.rejects(client.discover(), failsWith('idp_rejected', /oidc\.issuer/));
  });

  test('keys of a third origin still have to be https:', async () => {
    const fetch = inside([], (body) => ({ ...body, jwks_uri: 'http://keys.elsewhere.tld/jwks' }));
    const client = testClient(ISSUER, { fetch, oidc: { internal_url: `http://127.0.0.1:${idp.port}` } });
    await assert.rejects(client.discover(), failsWith('idp_rejected', /jwks_uri/));
  });
});
