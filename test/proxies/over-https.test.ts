// Envoy and Caddy over HTTPS, as their files say it: they ask over HTTP/2, and only whom they can verify. What is asked and answered is the
// same as over HTTP, of which cases.ts has the whole; Traefik, whose files ask so, has a test of its own.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { certify } from '../kit/certify.js';
import { describeWith } from '../kit/needs.js';
import { APP, proxyMissing, type Surroundings, startRealWorld, startSurroundings } from '../kit/real-proxy.js';

let around: Surroundings;
before(async () => {
  around = await startSurroundings('single', { certified: true });
});
after(() => around?.[Symbol.asyncDispose]());

for (const [name, whenDown] of [
  ['envoy', 503],
  ['caddy', 502],
] as const) {
  describeWith(proxyMissing(name), `${name} over HTTPS`, () => {
    it('lets somebody log in and pass, tells the application who it is, and keeps others out', async () => {
      await using world = await startRealWorld(name, 'single', { around, variant: 'ca' });
      const alice = world.browser();
      const page = await alice.logIn(`${APP}/page?x=1`, 'alice');
      assert.deepEqual([page.status, page.url], [200, `${APP}/page?x=1`]);
      const told = world.seen.at(-1)?.headers.filter(([header]) => header === 'x-auth-username');
      assert.deepEqual(told, [['x-auth-username', 'alice']]);
      world.outpost.takeConnections();
      const seen = world.seen.length;
      const denied = await world.browser().get(`${APP}/`, { Accept: 'application/json', 'X-Auth-Username': 'alice' });
      assert.equal(denied.status, 401);
      assert.equal((await world.browser().logIn(`${APP}/`, 'bob')).status, 403);
      assert.equal(world.seen.length, seen);

      // One of HTTP/1.1 would take a connection for each that is under way.
      for (let i = 0; i < 5; i += 1) {
        const answers = await Promise.all(Array.from({ length: 40 }, () => alice.get(`${APP}/`)));
        assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
      }
      assert.ok(world.outpost.takeConnections() <= 20);
      await world.outpost.close();
      assert.equal((await alice.get(`${APP}/`)).status, whenDown);
    });

    it('lets nobody pass when the certificate is not of the CA that it was told', async () => {
      const { ca, remove } = await certify();
      await using world = await startRealWorld(name, 'single', { around: { ...around, ca }, variant: 'ca', edits: [] });
      const seen = world.seen.length;
      for (const path of ['/', '/public/logo.svg'])
        assert.equal((await world.browser().get(`${APP}${path}`)).status, whenDown);
      assert.equal(world.seen.length, seen);
      remove();
    });
  });
}
