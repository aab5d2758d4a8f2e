// The outpost closes connections that were idle for 10 s. Behind every proxy, nobody may notice: not one request fails after a
// pause of 15 s. Real time is what is tested here, so it passes once, for all proxies and both modes together.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import type { Browser } from '../kit/browser.js';
import { describeWith } from '../kit/needs.js';
import {
  APP,
  type Mode,
  type ProxyName,
  proxyMissing,
  type RealWorld,
  type Surroundings,
  startRealWorld,
  startSurroundings,
} from '../kit/real-proxy.js';

const IDLE_MS = 15_000;
const cases = (['nginx', 'caddy', 'haproxy', 'traefik', 'envoy'] as const)
  .filter((name) => {
    const missing = proxyMissing(name);
    if (missing !== null) describeWith(missing, `idle behind ${name}`, () => {});
    return missing === null;
  })
  .flatMap((name) => (['single', 'domain'] as const).map((mode) => ({ name, mode })));

describe(`idle for ${IDLE_MS / 1_000} s and again`, () => {
  const clinics: { name: ProxyName; mode: Mode; world: RealWorld; alice: Browser }[] = [];
  const surroundings = new Map<Mode, Surroundings>();
  before(async () => {
    for (const mode of ['single', 'domain'] as const) surroundings.set(mode, await startSurroundings(mode));
    for (const { name, mode } of cases) {
      const around = surroundings.get(mode);
      const world = await startRealWorld(name, mode, { ...(around && { around }) });
      const alice = world.browser();
      clinics.push({ name, mode, world, alice });
      await alice.logIn(`${APP}/`, 'alice');
      assert.equal((await alice.get(`${APP}/before`)).status, 200);
    }
    await pause(IDLE_MS);
  });
  after(async () => {
    for (const { world } of clinics) await world[Symbol.asyncDispose]();
    for (const around of surroundings.values()) await around[Symbol.asyncDispose]();
  });

  for (const { name, mode } of cases) {
    it(`${name}, ${mode}: every request after the pause is let through`, async () => {
      const clinic = clinics.find((other) => other.name === name && other.mode === mode);
      for (let i = 0; i < 3; i += 1) assert.equal((await clinic?.alice.get(`${APP}/after/${i}`))?.status, 200);
    });
  }
});
