import assert from 'node:assert/strict';
import { it } from 'node:test';
import { APP, proxyMissing, startRealWorld } from '../kit/real-proxy.js';
import { describeProxy } from './cases.js';

describeProxy('traefik', { relaysBodies: true, whenDown: 500 });

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
