// Randomness with a seed: the same seed gives the same requests, on every machine.

export interface Random {
  /** A whole number, 0 ≤ n < `below`. */
  below(below: number): number;
  chance(probability: number): boolean;
  pick<T>(from: readonly T[]): T;
  /** Letters of `alphabet`. */
  text(length: number, alphabet?: string): string;
  /** Any bytes, as latin1. */
  bytes(length: number): string;
}

export const URL_SAFE = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** mulberry32: 32 bits of state, which is enough to vary requests and too little for anything else. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number): number => Math.floor(next() * limit);
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (from) => {
      if (from.length === 0) throw new Error('nothing to pick from');
      return from[below(from.length)] as (typeof from)[number];
    },
    text: (length, alphabet = URL_SAFE) => {
      let text = '';
      for (let i = 0; i < length; i += 1) text += alphabet[below(alphabet.length)];
      return text;
    },
    bytes: (length) => {
      let text = '';
      for (let i = 0; i < length; i += 1) text += String.fromCharCode(below(256));
      return text;
    },
  };
}
