// `/` of the login host: who is signed in, and nowhere else.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Snapshot } from '../../src/http/exchange.js';
import { route } from '../../src/http/router.js';
import { createTrustedProxies } from '../../src/http/trusted-proxies.js';
import { makeApplication } from '../kit/application.js';
import { createChecks, createLogins, headerOf, requestOf, stepRequest } from '../kit/checks.js';
import { testClient } from '../oidc/setup.js';

const domain = makeApplication({
  mode: 'forward_domain',
  external_host: 'https://login.company.tld',
  cookie_domain: 'company.tld',
});
const single = makeApplication({ name: 'single', external_host: 'https://single.company.tld' });

function setUp() {
  const checks = createChecks([domain, single]);
  const { context } = createLogins(checks, testClient('https://idp.company.tld'));
  const whole = { ...checks.context, ...context, trustedProxies: createTrustedProxies([]) };
  return {
    checks,
    ask: (host: string, target: string, cookies: readonly string[] = []) => {
      const { method, path, query } = stepRequest(`https://login.company.tld${target}`);
      const headers = [['host', host] as const, ...cookies.map((cookie) => ['cookie', cookie] as const)];
      const request = Snapshot.of(requestOf(headers, { method, path, query }), '127.0.0.1');
      return route(whole, request, async () => '');
    },
  };
}

describe('the page of the login host', () => {
  it('says who is signed in, and offers to sign out', async () => {
    const { checks, ask } = setUp();
    const cookie = `${domain.cookieName}=${await checks.signIn(domain, { preferred_username: 'alice<' })}`;
    const reply = await ask('login.company.tld', '/', [cookie]);
    assert.equal(reply.status, 200);
    assert.deepEqual(headerOf(reply, 'Cache-Control'), ['no-store']);
    assert.match(reply.body, /as <bdi>alice&#60;</);
    assert.match(reply.body, /href="https:\/\/login\.company\.tld\/akprox\/sign_out"/);
  });

  it('says that nobody is, and offers to sign in', async () => {
    const { ask } = setUp();
    for (const host of ['login.company.tld', 'LOGIN.company.tld', 'login.company.tld.', 'login.company.tld:443']) {
      const reply = await ask(host, '/?x=y');
      assert.equal(reply.status, 200, host);
      assert.match(reply.body, /Nobody is signed in/);
      assert.match(reply.body, /href="https:\/\/login\.company\.tld\/akprox\/start"/);
    }
  });

  it('is at no other host and no other path', async () => {
    const { ask } = setUp();
    for (const host of ['app.company.tld', 'company.tld', 'login.company.tld:8443', 'single.company.tld'])
      assert.equal((await ask(host, '/')).status, 404, host);
    for (const path of ['/x', '//', '/index.html', '/akprox', '/akprox/'])
      assert.equal((await ask('login.company.tld', path)).status, 404, path);
  });

  it('does not say that somebody is signed out while the store is down', async () => {
    const { checks, ask } = setUp();
    const cookie = `${domain.cookieName}=${await checks.signIn(domain)}`;
    checks.store.down = true;
    assert.equal((await ask('login.company.tld', '/', [cookie])).status, 503);
  });
});
