// Sessions that were ended although the store could not delete them: whatever it still says, they are refused, until they would
// have ended by themselves. Bounded: an entry takes a session of ours, but an outage may be long.
import { copyString } from '../infra/copy-string.js';

const MOST = 100_000;

export class Refusals {
  private readonly monotonic: () => number;
  private readonly ends = new Map<string, number>();

  /** `monotonic` in milliseconds. */
  constructor(monotonic: () => number) {
    this.monotonic = monotonic;
  }

  has(key: string): boolean {
    if (this.ends.size === 0) return false;
    const end = this.ends.get(key);
    return end !== undefined && this.monotonic() < end;
  }

  /** `end`: monotonic milliseconds. False, and none is refused: there is no room for all of them. */
  add(keys: readonly string[], end: number): boolean {
    if (this.ends.size + keys.length > MOST) {
      const time = this.monotonic();
      for (const [key, other] of this.ends) if (time >= other) this.ends.delete(key);
      if (this.ends.size + keys.length > MOST) return false;
    }
    for (const key of keys) this.ends.set(copyString(key), Math.max(end, this.ends.get(key) ?? 0));
    return true;
  }
}
