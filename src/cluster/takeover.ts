// SIGUSR2, as the successor sees it: its workers listen once each of them has everything else, all at once, and it tells its
// predecessor when they do. Until then nothing that it does can be seen from outside.
export interface TakeoverOptions {
  /** How many workers there should be. */
  readonly wanted: () => number;
  /** Why nothing can be served yet; null when something can. */
  readonly unready: () => string | null;
  /** Everything is there: workers may listen. */
  readonly listen: () => void;
}

export class Takeover {
  private readonly options: TakeoverOptions;
  private readonly prepared = new Set<number>();
  /** From now on workers need not wait. */
  hasBegun = false;

  constructor(options: TakeoverOptions) {
    this.options = options;
  }

  /** This worker waits. */
  add(worker: number): void {
    this.prepared.add(worker);
    this.check();
  }

  gone(worker: number): void {
    this.prepared.delete(worker);
  }

  /** Whatever may have changed. */
  check(): void {
    if (this.hasBegun || this.prepared.size < this.options.wanted() || this.options.unready() !== null) return;
    this.hasBegun = true;
    this.options.listen();
  }
}
