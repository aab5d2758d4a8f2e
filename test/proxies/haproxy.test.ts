import assert from 'node:assert/strict';
import { it } from 'node:test';
import { APP, proxyMissing, startRealWorld } from '../kit/real-proxy.js';
import { describeProxy } from './cases.js';

describeProxy('haproxy', { relaysBodies: true, whenDown: 503 });

// HAProxy goes on after a script that failed: what denies is the line behind it.
it('haproxy stays shut when the script fails', { skip: proxyMissing('haproxy') ?? false }, async () => {
  await using world = await startRealWorld('haproxy', 'single', { script: ['core.httpclient()', 'core.nothing()'] });
  assert.equal((await world.browser().get(`${APP}/public/logo.svg`)).status, 503);
  assert.deepEqual(world.seen, []);
});
