// Breakages behind the real proxies, each in a world of its own: a proxy, an outpost and a login.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { describeWith } from '../../kit/needs.js';
import {
  type Mode,
  type ProxyName,
  proxyMissing,
  type Surroundings,
  startRealWorld,
  startSurroundings,
} from '../../kit/real-proxy.js';
import type { Breakage } from './breakages.js';
import { assertFound, diagnose } from './diagnose.js';

export interface RealBreakage extends Breakage {
  readonly script?: readonly [from: string, to: string];
  /** Single unless told: each takes its time. */
  readonly modes?: readonly Mode[];
}

export type RealBreakages = Partial<Record<ProxyName, readonly RealBreakage[]>>;

/** `good`: whether the files as they are have to be without findings, too. */
export function describeBehindRealProxies(title: string, breakages: RealBreakages, { good }: { good: boolean }): void {
  for (const mode of ['single', 'domain'] as const) {
    describe(`${title}, ${mode}`, () => {
      let around: Surroundings;
      before(async () => {
        around = await startSurroundings(mode);
      });
      after(() => around?.[Symbol.asyncDispose]());

      for (const name of Object.keys(breakages) as ProxyName[]) {
        describeWith(proxyMissing(name), `behind ${name}`, () => {
          if (good) {
            it('finds nothing in the good configuration', async () => {
              await using world = await startRealWorld(name, mode, { around });
              assert.deepEqual((await diagnose(world)).findings, []);
            });
          }
          for (const breakage of breakages[name] ?? []) {
            const { what, edits, script, code, modes = ['single'] } = breakage;
            if (!modes.includes(mode)) continue;
            it(`${what}: ${code}`, async () => {
              await using world = await startRealWorld(name, mode, { around, edits, ...(script && { script }) });
              assertFound(await diagnose(world), breakage);
            });
          }
        });
      }
    });
  }
}
