import assert from 'node:assert/strict';
import { it } from 'node:test';
import { APP, proxyMissing, startRealWorld } from '../kit/real-proxy.js';
import { describeProxy } from './cases.js';

describeProxy('caddy', { relaysBodies: true, whenDown: 502 });

// Caddy with `keepalive` and nothing else keeps two, and took some 170 for these.
it('caddy keeps as many connections as it has checks at once', { skip: proxyMissing('caddy') ?? false }, async () => {
  await using world = await startRealWorld('caddy', 'single');
  const alice = world.browser();
  assert.equal((await alice.logIn(`${APP}/`, 'alice')).status, 200);
  world.outpost.takeConnections();
  for (let i = 0; i < 5; i += 1) {
    const answers = await Promise.all(Array.from({ length: 40 }, () => alice.get(`${APP}/`)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  }
  assert.ok(world.outpost.takeConnections() <= 80);
});
