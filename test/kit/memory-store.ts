// A SessionStore in memory, for unit tests of what lies in front of a store. It can be told to fail or to wait.
import { AkproxError } from '../../src/infra/errors.js';
import type { ListedSession, SealedSession, SessionStore, StoreStats } from '../../src/session/store.js';

export class MemoryStore implements SessionStore {
  private readonly now: () => number;
  readonly entries = new Map<string, SealedSession>();
  down = false;
  /** It can be read, and nothing else: a full disk, a replica of Redis. */
  readOnly = false;
  reads = 0;
  /** While set, `get` has read its answer but does not hand it over until this resolves. */
  gate: Promise<void> | null = null;

  constructor(now: () => number) {
    this.now = now;
  }

  private up(): void {
    if (this.down) throw new AkproxError('store_unavailable', 'the test took the store down');
  }

  private writable(): void {
    this.up();
    if (this.readOnly) throw new AkproxError('store_unavailable', 'the test made the store read-only');
  }

  private live(key: string): SealedSession | undefined {
    const entry = this.entries.get(key);
    return entry && entry.expiresAt > this.now() ? entry : undefined;
  }

  async get(key: string): Promise<Uint8Array | null> {
    this.reads += 1;
    this.up();
    const value = this.live(key)?.value ?? null;
    if (this.gate !== null) await this.gate;
    return value;
  }

  async put(session: SealedSession): Promise<void> {
    this.writable();
    this.entries.set(session.key, { ...session, value: Uint8Array.from(session.value) });
  }

  async replace(session: SealedSession): Promise<boolean> {
    this.up();
    if (!this.live(session.key)) return false;
    await this.put(session);
    return true;
  }

  async delete(key: string): Promise<boolean> {
    this.writable();
    return this.entries.delete(key);
  }

  private deleteWhere(fits: (entry: SealedSession) => boolean): string[] {
    this.writable();
    const keys = [...this.entries.values()].filter(fits).map((entry) => entry.key);
    for (const key of keys) this.entries.delete(key);
    return keys;
  }

  async listSubject(subject: string): Promise<string[]> {
    this.up();
    return [...this.entries.values()].filter((entry) => entry.subject === subject).map(({ key }) => key);
  }

  async listSummaries(subject: string, most: number): Promise<ListedSession[]> {
    const keys = (await this.listSubject(subject)).filter((key) => this.live(key) !== undefined);
    return [...this.entries.values()].filter(({ key }) => keys.includes(key)).slice(0, most);
  }

  async listSid(sid: string): Promise<string[]> {
    this.up();
    return [...this.entries.values()].filter((entry) => sid !== '' && entry.sid === sid).map(({ key }) => key);
  }

  async subjectOf(key: string): Promise<string> {
    this.up();
    return this.live(key)?.subject ?? '';
  }

  async deleteSubject(subject: string): Promise<string[]> {
    return this.deleteWhere((entry) => entry.subject === subject);
  }

  async deleteSid(sid: string): Promise<string[]> {
    return sid === '' ? [] : this.deleteWhere((entry) => entry.sid === sid);
  }

  async deleteProvider(provider: string): Promise<string[]> {
    return this.deleteWhere((entry) => entry.provider === provider);
  }

  async stats(): Promise<StoreStats> {
    this.up();
    const sessions: Record<string, number> = {};
    for (const entry of this.entries.values()) {
      if (entry.expiresAt > this.now()) sessions[entry.provider] = (sessions[entry.provider] ?? 0) + 1;
    }
    return { sessions };
  }

  async sweep(): Promise<number> {
    this.up();
    return this.deleteWhere((entry) => entry.expiresAt <= this.now()).length;
  }

  private readonly held = new Map<string, { token: string; until: number }>();
  readonly leases = {
    acquire: async (name: string, ttlMs: number, token: string): Promise<boolean> => {
      this.up();
      const held = this.held.get(name);
      if (held !== undefined && this.now() < held.until) return false;
      this.held.set(name, { token, until: this.now() + ttlMs });
      return true;
    },
    isHeld: async (name: string): Promise<boolean> => {
      this.up();
      return this.now() < (this.held.get(name)?.until ?? 0);
    },
    release: async (name: string, token: string): Promise<boolean> => {
      this.up();
      return this.held.get(name)?.token === token && this.held.delete(name);
    },
  };

  readonly shared = new Map<string, { value: string; expiresAt: number }>();
  readonly values = {
    get: async (name: string): Promise<string | null> => {
      this.up();
      const there = this.shared.get(name);
      return there !== undefined && this.now() < there.expiresAt ? there.value : null;
    },
    getOrPut: async (name: string, value: string, expiresAt: number): Promise<string> => {
      const there = await this.values.get(name);
      if (there !== null) return there;
      this.writable();
      this.shared.set(name, { value, expiresAt });
      return value;
    },
    remove: async (name: string, value: string): Promise<boolean> => {
      this.writable();
      return this.shared.get(name)?.value === value && this.shared.delete(name);
    },
  };

  async close(): Promise<void> {}
}
