// The other files for Traefik, each with a Traefik of its own around the same daemon.
import { after, before, describe } from 'node:test';
import { describeWith } from '../kit/needs.js';
import { proxyMissing, type Surroundings, startSurroundings } from '../kit/real-proxy.js';
import { dockerLabels, kubernetesResources } from '../kit/traefik-variants.js';
import { cases, MODES } from './cases.js';

const TRAITS = { relaysBodies: true, whenDown: 500 };

for (const mode of MODES) {
  describeWith(proxyMissing('traefik'), `traefik by its other providers, ${mode}`, () => {
    let around: Surroundings;
    before(async () => {
      around = await startSurroundings(mode);
    });
    after(() => around?.[Symbol.asyncDispose]());

    for (const [title, prepare] of [
      ['Docker labels', dockerLabels],
      ['Kubernetes', kubernetesResources],
    ] as const) {
      describe(title, () => cases(`traefik, ${title}, ${mode}`, 'traefik', mode, TRAITS, () => ({ around, prepare })));
    }
  });
}
