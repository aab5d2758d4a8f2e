// SharedValues: small texts that the whole fleet must agree on, such as a key that is made once. Few and bounded: nothing that a
// client says becomes one.

export interface SharedValues {
  /** Null when there is none, or its time is over. */
  get(name: string): Promise<string | null>;
  /** Saves `value` unless there is one; answers with the one that counts from now on. `expiresAt`: Unix milliseconds. */
  getOrPut(name: string, value: string, expiresAt: number): Promise<string>;
  /** Removes it while it is still this one; true when it was. */
  remove(name: string, value: string): Promise<boolean>;
}
