// Whether this daemon could answer a check at all: what /livez and `akprox healthcheck` say. A gap that a replacement closes is
// none; a daemon whose workers stay away is better started anew by whoever watches it.

/** How long nobody may be ready, at the start and later, in milliseconds. */
export const PATIENCE = 10_000;

export class Liveness {
  private readonly now: () => number;
  /** Since when no worker has been ready; null while one is. */
  private since: number | null;

  /** `now`: milliseconds of a clock that only goes forward. */
  constructor(now: () => number) {
    this.now = now;
    this.since = now();
  }

  update(readyWorkers: number): void {
    if (readyWorkers > 0) this.since = null;
    else this.since ??= this.now();
  }

  /** Null while all is well. */
  problem(): string | null {
    if (this.since === null) return null;
    const gone = this.now() - this.since;
    return gone < PATIENCE ? null : `no worker has been ready for ${Math.floor(gone / 1_000)} s; the log says why`;
  }
}
