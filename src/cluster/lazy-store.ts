// The session store of the primary, which hardly ever needs one: opened at the first need.
import type { Config } from '../config/schema.js';
import type { SessionStore } from '../session/store.js';

export class LazyStore {
  private readonly config: Config['store'];
  /** Unix milliseconds. */
  private readonly now: () => number;
  private opened: Promise<SessionStore> | null = null;

  constructor(config: Config['store'], now: () => number) {
    this.config = config;
    this.now = now;
  }

  /** Rejects when it cannot be opened; the next time it may be there. */
  open(): Promise<SessionStore> {
    if (this.opened !== null) return this.opened;
    const opening = import('../session/open-store.js').then(({ openStore }) => openStore(this.config, this.now));
    // Once for each attempt: whoever has heard of the failure may have begun the next one.
    opening.catch(() => {
      this.opened = null;
    });
    this.opened = opening;
    return opening;
  }

  /** Resolves at once when it was never opened. */
  async close(): Promise<void> {
    await (await this.opened)?.close();
  }
}
