// Requests of a listener that have no answer yet, so that a drain can wait for the last of them.

export class InFlight {
  /** Each connection ends with its next answer. */
  isDraining = false;
  private count = 0;
  private idle: (() => void) | null = null;

  begin(): void {
    this.count += 1;
  }

  end(): void {
    this.count -= 1;
    if (this.count === 0) this.idle?.();
  }

  /** Resolves when nothing is in flight. */
  drain(): Promise<void> {
    this.isDraining = true;
    return new Promise((resolve) => {
      if (this.count === 0) resolve();
      else this.idle = resolve;
    });
  }
}
