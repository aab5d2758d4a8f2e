// The keys that an identity provider signs with, as it publishes them (RFC 7517): asked for when they are first needed, when
// they are old, and when a token names one that is not among them. jose has this too, but by the wall clock: after a jump it
// would ask no more.
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

/** An unknown `kid` makes us ask for the keys again, at most this often. */
const COOLDOWN = 10_000;
const LONGEST_AGE = 600_000;

export interface KeySetOptions {
  /** Bounded in time and size; rejects when the identity provider cannot be asked or answers with something else. */
  readonly fetch: () => Promise<JSONWebKeySet>;
  /** Milliseconds. */
  readonly monotonic: () => number;
}

export function createKeySet({ fetch, monotonic }: KeySetOptions): JWTVerifyGetKey {
  let known: { readonly select: JWTVerifyGetKey; readonly at: number } | null = null;
  let pending: Promise<JWTVerifyGetKey> | null = null;

  async function ask(): Promise<JWTVerifyGetKey> {
    pending ??= fetch()
      .then((keys) => {
        known = { select: createLocalJWKSet(keys), at: monotonic() };
        return known.select;
      })
      .finally(() => {
        pending = null;
      });
    return pending;
  }

  return async (header, token) => {
    const current = known;
    if (current === null || monotonic() - current.at >= LONGEST_AGE) return (await ask())(header, token);
    try {
      return await current.select(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || monotonic() - current.at < COOLDOWN) throw error;
      return (await ask())(header, token);
    }
  };
}
