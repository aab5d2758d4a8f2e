// LeaseStore: "only one of the fleet does this now", and "this has been done". A lease ends by itself, and only its owner can
// give it back early: choose `ttlMs` longer than the work can take, or two may do it.

export interface LeaseStore {
  /**
   * True when the lease is now held under `token` (random, one per attempt). False: somebody else holds it. Rejects with
   * `store_unavailable` when that cannot be known; it may then be held until `ttlMs` is over.
   */
  acquire(name: string, ttlMs: number, token: string): Promise<boolean>;
  /** Whether somebody holds it. `ttlMs`: what it was acquired with; one that would last longer was taken under a wrong clock. */
  isHeld(name: string, ttlMs: number): Promise<boolean>;
  /** True when it was still held under `token`. */
  release(name: string, token: string): Promise<boolean>;
}
