// Proxies that send along more of a body than the outpost wants, or less than they announce. Traefik with `forwardBody: true` sends every body to the outpost too. An outpost that answers and closes while a body is on its
// way resets the connection, and whenever Traefik's writing fails before it has read the answer, its client gets a 500.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Browser } from '../kit/browser.js';
import { describeWith } from '../kit/needs.js';
import {
  APP,
  proxyMissing,
  type RealWorld,
  type Surroundings,
  startRealWorld,
  startSurroundings,
} from '../kit/real-proxy.js';

const SIZES = [1_024, 65_536, 262_144, 1_048_576];
const TIMES = 80;
const AT_ONCE = 8;

describeWith(proxyMissing('traefik'), 'bodies through traefik', () => {
  let around: Surroundings;
  before(async () => {
    around = await startSurroundings('single', { listen: { compat: '127.0.0.1:0' } });
  });
  after(() => around?.[Symbol.asyncDispose]());

  for (const listener of ['http', 'compat', 'https'] as const) {
    describe(`to listen.${listener}`, () => {
      let world: RealWorld;
      let alice: Browser;
      before(async () => {
        // Straight to the outpost: the relay of these tests would hide a reset.
        const address = `${around.daemon[listener]}/akprox/auth/traefik`;
        const edit = ['address: https:', `address: ${address}\n        forwardBody: true #`] as const;
        world = await startRealWorld('traefik', 'single', { around, edits: [edit] });
        alice = world.browser();
        assert.equal((await alice.logIn(`${APP}/`, 'alice')).status, 200);
      });
      after(() => world?.[Symbol.asyncDispose]());

      for (const size of SIZES) {
        it(`${size} bytes, ${TIMES} times: allowed is allowed, and denied is denied`, async () => {
          const body = 'x'.repeat(size);
          const stranger = world.browser();
          const statuses = new Map<string, number>();
          const post = async (browser: Browser): Promise<void> => {
            const { status } = await browser.request('POST', `${APP}/upload`, {}, body);
            const key = `${browser === alice ? 'alice' : 'a stranger'}: ${status}`;
            statuses.set(key, (statuses.get(key) ?? 0) + 1);
          };
          for (let i = 0; i < TIMES; i += AT_ONCE) {
            await Promise.all(Array.from({ length: AT_ONCE }, (_, j) => post(j % 2 === 0 ? alice : stranger)));
          }
          assert.deepEqual(Object.fromEntries(statuses), { 'alice: 200': TIMES / 2, 'a stranger: 401': TIMES / 2 });
        });
      }
    });
  }
});

// `auth_request` sends no body, but the client's Content-Length, unless the configuration takes it away, as ours does. Here it does
// not: the outpost must not wait for the body, and the next request on the connection must not be taken for it.
describeWith(proxyMissing('nginx'), 'bodies announced by nginx', () => {
  it('POST and GET in turn: allowed is allowed, and denied is denied', async () => {
    const edit = ['proxy_set_header Content-Length "";', ''] as const;
    await using world = await startRealWorld('nginx', 'single', { edits: [edit] });
    const alice = world.browser();
    assert.equal((await alice.logIn(`${APP}/`, 'alice')).status, 200);
    for (const size of [3, 300, 100_000]) {
      for (let i = 0; i < 10; i += 1) {
        const body = 'x'.repeat(size);
        assert.equal((await alice.request('POST', `${APP}/upload`, {}, body)).status, 200);
        assert.equal((await world.browser().request('POST', `${APP}/upload`, {}, body)).status, 401);
        assert.equal((await alice.get(`${APP}/`)).status, 200);
      }
    }
  });
});
