// Traefik with each kind of its files, and in each of the ways in which it can ask the outpost, around one daemon for each mode.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { certify } from '../kit/certify.js';
import { describeWith } from '../kit/needs.js';
import { PREPARE } from '../kit/proxy-commands.js';
import { APP, proxyMissing, type Surroundings, startRealWorld, startSurroundings } from '../kit/real-proxy.js';
import { composeLabels, dockerLabels, kubernetesResources } from '../kit/traefik-variants.js';
import { cases } from './cases.js';

const TRAITS = { relaysBodies: true, whenDown: 500 };
const FILES = { 'file provider': PREPARE.traefik, 'Docker labels': dockerLabels, Kubernetes: kubernetesResources };

describeWith(proxyMissing('traefik'), 'traefik, single', () => {
  let around: Surroundings;
  before(async () => {
    around = await startSurroundings('single', { certified: true });
  });
  after(() => around?.[Symbol.asyncDispose]());

  for (const [file, prepare] of Object.entries(FILES)) {
    for (const [way, variant] of [
      ['over HTTPS, by a CA', 'ca'],
      ['over HTTP', 'http'],
    ] as const) {
      const title = `${file}, ${way}`;
      describe(title, () =>
        cases(`traefik, single, ${title}`, 'traefik', 'single', TRAITS, () => ({ around, prepare, variant })),
      );
    }
  }

  // Its labels are those of the other file, which has all the cases.
  for (const variant of ['ca', 'http'] as const) {
    it(`deploy/compose.yaml, ${variant}: lets somebody log in and pass, and nobody else`, async () => {
      await using world = await startRealWorld('traefik', 'single', { around, prepare: composeLabels, variant });
      assert.equal((await world.browser().logIn(`${APP}/`, 'alice')).status, 200);
      assert.equal((await world.browser().get(`${APP}/`)).status, 302);
    });
  }

  // An option that its page says to leave off: an outpost that closed its connection before the body was there made Traefik answer 500
  // now and then, from some 64 KiB on.
  it('with forwardBody: a denial is a denial, however large the body', async () => {
    const edits = [['trustForwardHeader: false', 'trustForwardHeader: false\n        forwardBody: true']] as const;
    await using world = await startRealWorld('traefik', 'single', { around, edits });
    const seen = world.seen.length;
    for (const size of [1, 65_536, 262_144, 1_048_576]) {
      for (let i = 0; i < 8; i += 1) {
        const headers = { 'Content-Length': String(size), Accept: 'application/json' };
        const answer = await world.browser().request('POST', `${APP}/upload`, headers, 'x'.repeat(size));
        assert.equal(answer.status, 401, `${size} bytes`);
      }
    }
    assert.equal(world.seen.length, seen);
  });
});

// As the files are: over HTTPS, whatever the certificate.
describeWith(proxyMissing('traefik'), 'traefik, domain', () => {
  let around: Surroundings;
  before(async () => {
    around = await startSurroundings('domain');
  });
  after(() => around?.[Symbol.asyncDispose]());

  for (const [file, prepare] of Object.entries(FILES)) {
    it(`${file}: lets nobody pass when the certificate is not of the CA that it was told`, async () => {
      const { ca, remove } = await certify();
      await using world = await startRealWorld('traefik', 'domain', {
        around: { ...around, ca },
        prepare,
        variant: 'ca',
        edits: [],
      });
      const seen = world.seen.length;
      for (const path of ['/', '/public/logo.svg'])
        assert.equal((await world.browser().get(`${APP}${path}`)).status, 500);
      assert.equal(world.seen.length, seen);
      remove();
    });

    describe(file, () => cases(`traefik, domain, ${file}`, 'traefik', 'domain', TRAITS, () => ({ around, prepare })));
  }

  it('asks many checks at once over few connections: it speaks HTTP/2', async () => {
    await using world = await startRealWorld('traefik', 'domain', { around });
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

  it('asks over another connection when one has fallen silent with checks on it: not all of them wait', async () => {
    await using world = await startRealWorld('traefik', 'domain', { around });
    const alice = world.browser();
    assert.equal((await alice.logIn(`${APP}/`, 'alice')).status, 200);
    world.outpost.silence();
    const waiting = alice.get(`${APP}/`).catch(() => null);
    // 16 once Traefik has read that, and 100 until then.
    const others = Array.from({ length: 101 }, () => alice.get(`${APP}/`));
    assert.equal((await Promise.any(others)).status, 200);
    assert.equal(await Promise.race([waiting, 'still waiting']), 'still waiting');
  });
});
