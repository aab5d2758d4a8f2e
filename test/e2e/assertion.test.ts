// The signed assertion (contract §2.3) from a login to an application that trusts no header: real workers, one key for all of them.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { request, testProvider, traefikCheck } from '../kit/daemon.js';
import { APP, clientFor, startWorld, type World } from '../kit/world.js';

const PLAIN = 'http://plain.localhost:8080';
const HOST = { Host: 'whoami.localhost:8080' };

describe('the signed assertion', () => {
  let world: World;
  let cookie: string;
  before(async () => {
    world = await startWorld({
      provider: { headers: { assertion: true }, skip_path_regex: ['^/public'] },
      others: (issuer) => [
        testProvider(issuer, { name: 'plain', external_host: PLAIN, skip_path_regex: ['^/public'] }),
      ],
      idp: { clients: [clientFor('whoami', APP)] },
    });
    const browser = world.browser();
    await browser.logIn(`${APP}/`, 'alice');
    [cookie = ''] = (await browser.cookies(`${APP}/`)).filter((one) => one.startsWith('authentik_proxy_'));
  });
  after(() => world[Symbol.asyncDispose]());

  const keySet = async (outpost = world.daemon.http): Promise<JSONWebKeySet> => {
    const { status, body } = await request(`${outpost}/akprox/jwks.json`, { headers: HOST });
    assert.equal(status, 200);
    return JSON.parse(body) as JSONWebKeySet;
  };
  const assertionOf = async (outpost = world.daemon.http): Promise<string> => {
    const { status, headers } = await traefikCheck(outpost, `${APP}/`, { cookie });
    assert.equal(status, 200);
    return String(headers['x-akprox-assertion']);
  };

  it('is verified by the public keys, whichever worker signed it', async () => {
    const keys = createLocalJWKSet(await keySet());
    // A connection each, so that both workers are asked.
    for (const assertion of await Promise.all(Array.from({ length: 20 }, () => assertionOf()))) {
      const { payload } = await jwtVerify(assertion, keys, { issuer: `${APP}/akprox`, audience: APP });
      assert.deepEqual(
        [payload.sub, payload['email'], payload['preferred_username'], payload['groups']],
        ['alice', 'alice@example.com', 'alice', ['staff', 'a|b']],
      );
      assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 300);
    }
  });

  it('is there and empty where nobody is signed in, and nowhere else than where it is switched on', async () => {
    const open = await traefikCheck(world.daemon.http, `${APP}/public/a`, {
      headers: { 'X-Akprox-Assertion': 'forged' },
    });
    assert.deepEqual([open.status, open.headers['x-akprox-assertion']], [200, '']);
    const plain = await traefikCheck(world.daemon.http, `${PLAIN}/public/a`);
    assert.deepEqual([plain.status, plain.headers['x-akprox-assertion']], [200, undefined]);
  });

  it('is what Envoy is told to take away where it is switched off', async () => {
    const removed = async (origin: string) => {
      const { status, headers } = await request(`${world.daemon.http}/akprox/auth/envoy/public/a`, {
        headers: { Host: new URL(origin).host },
      });
      assert.equal(status, 200);
      return String(headers['x-envoy-auth-headers-to-remove']).toLowerCase().split(',');
    };
    assert.ok((await removed(PLAIN)).includes('x-akprox-assertion'));
    assert.ok(!(await removed(APP)).includes('x-akprox-assertion'));
  });

  it('replaces what a client sends', async () => {
    const browser = world.browser();
    await browser.logIn(`${APP}/`, 'alice');
    const seen = await browser.get(`${APP}/`, { Accept: 'application/json', 'X-Akprox-Assertion': 'forged' });
    const { headers } = JSON.parse(seen.body) as { headers: Record<string, string> };
    assert.equal(decodeProtectedHeader(headers['x-akprox-assertion'] ?? '').alg, 'EdDSA');
  });

  it('has keys that may be cached and are public only, and none at a provider that signs nothing', async () => {
    for (const method of ['GET', 'HEAD']) {
      const { status, headers, rawHeaders } = await request(`${world.daemon.http}/outpost.goauthentik.io/jwks.json`, {
        method,
        headers: HOST,
      });
      assert.equal(status, 200);
      assert.equal(headers['cache-control'], 'public, max-age=3600');
      assert.equal(rawHeaders.filter((name) => name.toLowerCase() === 'cache-control').length, 1);
      assert.match(headers['content-type'] ?? '', /json/);
    }
    for (const key of (await keySet()).keys) assert.equal(key['d'], undefined);
    const plain = await request(`${world.daemon.http}/akprox/jwks.json`, { headers: { Host: new URL(PLAIN).host } });
    assert.equal(plain.status, 404);
  });

  it('is signed by the same key after a restart', async () => {
    const before = decodeProtectedHeader(await assertionOf()).kid;
    const again = await world.daemon.restart();
    assert.equal(decodeProtectedHeader(await assertionOf(again.http)).kid, before);
    await jwtVerify(await assertionOf(again.http), createLocalJWKSet(await keySet(again.http)));
    assert.equal(again.stray() + world.daemon.stray(), '');
    await again.stop();
  });
});
