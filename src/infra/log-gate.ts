// Lets a log line through once a minute per key, so that nobody can fill a disk by asking. Bounded in keys; when those are
// cycled faster than a minute, an overall limit holds.
import { LRUCache } from 'lru-cache';
import { ownString } from './own-string.js';

export interface LogGate {
  /** How many lines were held back since the last one under this key, or null: hold this one back too. */
  pass(key: string): number | null;
}

const PERIOD = 60_000;
const MOST_KEYS = 1_000;
const MOST_LINES = 120;

export function createLogGate(now: () => number): LogGate {
  const keys = new LRUCache<string, { until: number; held: number }>({ max: MOST_KEYS });
  let period = 0;
  let lines = 0;
  return {
    pass(key) {
      const time = now();
      if (time >= period + PERIOD) {
        period = time;
        lines = 0;
      }
      const known = keys.get(key);
      if (known !== undefined && time < known.until) {
        known.held += 1;
        return null;
      }
      if (lines >= MOST_LINES) return null;
      lines += 1;
      keys.set(ownString(key), { until: time + PERIOD, held: 0 });
      return known?.held ?? 0;
    },
  };
}
