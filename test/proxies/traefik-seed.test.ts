// The labels and the resources for Traefik that operators of the akprox era have go on as they are. What they lack beside the files of
// deploy/proxies/traefik is on the page there, and why not every case of cases.ts holds behind them.
import assert from 'node:assert/strict';
import { after, before, it } from 'node:test';
import { describeWith } from '../kit/needs.js';
import {
  APP,
  proxyMissing,
  type RealWorld,
  type Surroundings,
  startRealWorld,
  startSurroundings,
} from '../kit/real-proxy.js';
import { seedLabels, seedResources } from '../kit/traefik-variants.js';

const XHR = { Accept: 'application/json', 'Sec-Fetch-Mode': 'cors' };
const TOLD = {
  'x-auth-username': 'alice',
  'x-auth-groups': 'staff|a%7Cb',
  'x-forwarded-email': 'alice@example.com',
  'x-forwarded-preferred-username': 'alice',
  'x-forwarded-user': 'alice',
};

describeWith(proxyMissing('traefik'), 'Traefik as the akprox era had it', () => {
  let around: Surroundings;
  before(async () => {
    around = await startSurroundings('single');
  });
  after(() => around?.[Symbol.asyncDispose]());

  for (const [what, prepare] of [
    ['Docker labels', seedLabels],
    ['Kubernetes', seedResources],
  ] as const) {
    it(`${what}: in, told who it is, out again, and shut without the outpost`, async () => {
      await using world = await startRealWorld('traefik', 'single', { around, prepare });
      await goesOn(world);
    });
  }
});

async function goesOn(world: RealWorld): Promise<void> {
  const alice = world.browser();
  const xhr = await alice.get(`${APP}/api`, XHR);
  assert.equal(xhr.status, 401);
  const unseen = world.seen.length;
  const challenge = await alice.get(`${APP}/page?x=1`);
  assert.equal(challenge.status, 302);
  assert.equal(challenge.location, `${APP}/akprox/start?rd=${encodeURIComponent(`${APP}/page?x=1`)}`);
  assert.equal(world.seen.length, unseen);

  // Theirs is `trustForwardHeader: true`; the entry point takes away what a client says of where it goes.
  const elsewhere = {
    'X-Forwarded-Host': 'open.company.tld',
    'X-Forwarded-Uri': '/public/',
    'X-Forwarded-Method': 'OPTIONS',
  };
  assert.equal((await world.browser().get(`${APP}/secret`, elsewhere)).status, 302);
  assert.equal(world.seen.length, unseen);

  const page = await alice.logIn(`${APP}/page?x=1`, 'alice');
  assert.deepEqual([page.status, page.url], [200, `${APP}/page?x=1`]);
  for (const forged of [{}, Object.fromEntries(Object.keys(TOLD).map((header) => [header, 'forged']))]) {
    assert.equal((await alice.get(`${APP}/`, forged)).status, 200);
    const { headers } = world.seen.at(-1) ?? assert.fail();
    assert.deepEqual(headers.filter(([name]) => name in TOLD).toSorted(), Object.entries(TOLD).toSorted());
  }
  const before = world.seen.length;
  assert.equal((await world.browser().logIn(`${APP}/`, 'bob')).status, 403);
  assert.equal((await alice.get(`${APP}/akprox/userinfo`)).status, 200);
  const cookie = await alice.jar.getCookieString(`${APP}/`);
  const end = await alice.follow(await alice.get(`${APP}/akprox/sign_out`));
  assert.match(end.body, /session at the identity provider has ended too/);
  assert.equal((await world.browser().get(`${APP}/`, { Cookie: cookie })).status, 302);
  await world.outpost.close();
  assert.equal((await world.browser().get(`${APP}/`)).status, 500);
  assert.equal(world.seen.length, before);
}
