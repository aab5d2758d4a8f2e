import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeWith } from '../kit/needs.js';
import { APP, proxyMissing, startRealWorld } from '../kit/real-proxy.js';
import { describeProxy, describeSecureProxy } from './cases.js';

describeProxy('traefik', { relaysBodies: true, whenDown: 500 });
describeSecureProxy('traefik', { relaysBodies: true, whenDown: 500 });

// An option that its page says to leave off: an outpost that closed its connection before the body was there made Traefik answer 500
// now and then, from some 64 KiB on.
it('traefik with forwardBody: a denial is a denial, however large the body', {
  skip: proxyMissing('traefik') ?? false,
}, async () => {
  const edits = [['trustForwardHeader: false', 'trustForwardHeader: false\n        forwardBody: true']] as const;
  await using world = await startRealWorld('traefik', 'single', { edits });
  for (const size of [1, 65_536, 262_144, 1_048_576]) {
    for (let i = 0; i < 8; i += 1) {
      const headers = { 'Content-Length': String(size), Accept: 'application/json' };
      const answer = await world.browser().request('POST', `${APP}/upload`, headers, 'x'.repeat(size));
      assert.equal(answer.status, 401, `${size} bytes`);
    }
  }
  assert.deepEqual(world.seen, []);
});

describeWith(proxyMissing('traefik'), 'traefik, over HTTPS', () => {
  it('asks many checks at once over few connections: it speaks HTTP/2', async () => {
    const edits = [['tls: { ca:', 'tls: { insecureSkipVerify: true } #']] as const;
    await using world = await startRealWorld('traefik', 'single', { edits, secure: true });
    const alice = world.browser();
    assert.equal((await alice.logIn(`${APP}/`, 'alice')).status, 200);
    world.outpost.takeConnections();
    for (let i = 0; i < 5; i += 1) {
      const answers = await Promise.all(Array.from({ length: 40 }, (_, j) => alice.get(`${APP}/${i}/${j}`)));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    }
    // HTTP/1.1 takes one for most of the 200: two are kept, the others are opened anew.
    assert.ok(world.outpost.takeConnections() <= 20);
  });

  it('lets nobody pass when the certificate is of another authority than it was told', async () => {
    // The proxy's own certificate instead.
    const edits = [['/outpost.crt }', '/tls.crt }']] as const;
    await using world = await startRealWorld('traefik', 'single', { edits, secure: true });
    for (const path of ['/', '/public/logo.svg'])
      assert.equal((await world.browser().get(`${APP}${path}`)).status, 500);
    assert.deepEqual(world.seen, []);
  });
});
