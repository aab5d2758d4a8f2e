// Whether identity providers answer, by what came of the last call to each.

export class IdpHealth {
  /** By provider: Unix milliseconds of the last call, negative when nobody answered, or with 5xx. */
  private readonly last = new Map<string, number>();
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  /** `status`: of the answer; null without one. */
  called(provider: string, status: number | null): void {
    this.last.set(provider, status !== null && status < 500 ? this.now() : -this.now());
  }

  /** Undefined before the first call. */
  of(provider: string): number | undefined {
    return this.last.get(provider);
  }

  /** Forgets all others. */
  keep(providers: ReadonlySet<string>): void {
    for (const provider of this.last.keys()) if (!providers.has(provider)) this.last.delete(provider);
  }
}

/** Of two workers: what the later call says. */
export function laterCall(one: number, other: number): number {
  return Math.abs(other) > Math.abs(one) ? other : one;
}
