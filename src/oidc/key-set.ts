// The keys that an identity provider signs with, as it publishes them (RFC 7517): asked for when they are first needed, when
// they are old, and when a token does not verify with them: it may name another, or another may have come under the same name. A token is
// refused only by keys that were asked for after it came. jose has a part of this, but by the wall clock: after a jump it would ask no more.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { AkproxError } from '../infra/errors.js';
import type { Timers } from '../infra/timers.js';

/** Between two requests for the keys, whatever became of the first. Anybody can make us want them. */
const COOLDOWN = 10_000;
const LONGEST_AGE = 600_000;
/** How many tokens wait for keys at once. Strangers' leave room for those that the identity provider gave us itself. */
const MOST_WAITING = { stranger: 256, identity_provider: 1_024 } as const;

/** Who handed us a token. */
export type Bringer = keyof typeof MOST_WAITING;

export interface KeySet {
  /**
   * `verify` with the keys that are known; if it fails for want of a key, again with later ones, unless `once`. Rejects with `idp_unreachable`
   * when there are none to be had, or too many wait for them.
   */
  use<T>(verify: (key: JWTVerifyGetKey) => Promise<T>, bringer: Bringer, once?: boolean): Promise<T>;
}

export interface KeySetOptions {
  /** Bounded in time and size; rejects when the identity provider cannot be asked or answers with something else. */
  readonly fetch: () => Promise<JSONWebKeySet>;
  /** Milliseconds. */
  readonly monotonic: () => number;
  readonly timers: Timers;
}

interface Keys {
  readonly select: JWTVerifyGetKey;
  /** When they were asked for, and by which request. */
  readonly at: number;
  readonly request: number;
}

export function createKeySet({ fetch, monotonic, timers }: KeySetOptions): KeySet {
  let known: Keys | null = null;
  let pending: Promise<Keys> | null = null;
  let waiting = 0;
  let requests = 0;
  let askedAt = Number.NEGATIVE_INFINITY;

  async function ask(): Promise<Keys> {
    const wait = askedAt + COOLDOWN - monotonic();
    if (wait > 0) await new Promise<void>((resolve) => timers.after(wait, resolve));
    const [at, request] = [monotonic(), requests + 1];
    askedAt = at;
    requests = request;
    known = { select: createLocalJWKSet(await fetch()), at, request };
    return known;
  }

  /** Those of a request later than `seen`. Whoever comes while one is waited for waits for the same. */
  async function laterThan(seen: number, bringer: Bringer): Promise<Keys> {
    if (waiting >= MOST_WAITING[bringer])
      throw new AkproxError('idp_unreachable', "too many tokens wait for the identity provider's key set");
    waiting += 1;
    try {
      for (;;) {
        if (known !== null && known.request > seen) return known;
        pending ??= ask().finally(() => {
          pending = null;
        });
        await pending;
      }
    } finally {
      waiting -= 1;
    }
  }

  return {
    async use(verify, bringer, once = false) {
      const seen = requests;
      const isOld = known === null || monotonic() - known.at >= LONGEST_AGE;
      const keys = known === null || isOld ? await laterThan(known?.request ?? 0, bringer) : known;
      try {
        return await verify(keys.select);
      } catch (error) {
        if (once || !isForWantOfKey(error) || keys.request > seen) throw error;
      }
      return verify((await laterThan(seen, bringer)).select);
    },
  };
}

function isForWantOfKey(error: unknown): boolean {
  return error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWSSignatureVerificationFailed;
}
