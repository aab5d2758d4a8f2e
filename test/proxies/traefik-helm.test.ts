// The chart's Middleware and routes, read by a real Traefik: a login through them, and nobody at the check.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { helmMissing } from '../kit/helm-chart.js';
import { describeWith } from '../kit/needs.js';
import { APP, proxyMissing, startRealWorld } from '../kit/real-proxy.js';
import { helmResources } from '../kit/traefik-helm.js';

describeWith(proxyMissing('traefik') ?? helmMissing(), 'traefik with what the chart makes', () => {
  it('lets a login in, keeps others out, and leads nobody to the check', async () => {
    await using world = await startRealWorld('traefik', 'single', { prepare: helmResources });
    const anonymous = await world.browser().get(`${APP}/page`);
    assert.deepEqual([anonymous.status, new URL(anonymous.location ?? '').pathname], [302, '/akprox/start']);
    const alice = world.browser();
    assert.equal((await alice.logIn(`${APP}/page`, 'alice')).status, 200);
    const { headers } = world.seen.at(-1) ?? assert.fail('the application saw nothing');
    assert.deepEqual(
      headers.filter(([name]) => name.toLowerCase() === 'x-auth-username').map(([, value]) => value),
      ['alice'],
    );
    // Past the check, by the route of the outpost's own paths; the check itself is asked by nobody but Traefik.
    assert.equal((await world.browser().get(`${APP}/akprox/userinfo`)).status, 401);
    assert.equal((await alice.get(`${APP}/akprox/auth/traefik`)).headers['x-auth-username'], undefined);
    assert.equal((await world.browser().logIn(`${APP}/`, 'bob')).status, 403);
  });
});
