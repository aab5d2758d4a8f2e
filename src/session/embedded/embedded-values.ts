// Values that the workers of one host share, in the embedded store: a record of the same form as a session's, without an index.
import type { SharedValues } from '../shared-values.js';
import { expiryOf, recordBytes, sealedValueOf } from './lmdb-records.js';
import type { Table } from './session-tables.js';

export interface EmbeddedValuesOptions {
  readonly table: Table;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly read: <T>(action: () => T) => T;
  /** Inside a transaction. */
  readonly write: <T>(action: () => T) => Promise<T>;
}

export class EmbeddedValues implements SharedValues {
  readonly #options: EmbeddedValuesOptions;

  constructor(options: EmbeddedValuesOptions) {
    this.#options = options;
  }

  async get(name: string): Promise<string | null> {
    return this.#options.read(() => this.#live(name));
  }

  getOrPut(name: string, value: string, expiresAt: number): Promise<string> {
    const { table, write } = this.#options;
    return write(() => {
      const there = this.#live(name);
      if (there !== null) return there;
      table.putSync(Buffer.from(name), recordBytes({ expiresAt, value: Buffer.from(value) }));
      return value;
    });
  }

  remove(name: string, value: string): Promise<boolean> {
    const { table, write } = this.#options;
    return write(() => {
      if (this.#live(name) !== value) return false;
      table.removeSync(Buffer.from(name));
      return true;
    });
  }

  /** Removes those whose time is over, and what is no record. */
  async sweep(): Promise<void> {
    const { table, read, write } = this.#options;
    const names = read(() => [...table.getRange({})].filter(({ value }) => this.#isOver(value)).map(({ key }) => key));
    if (names.length === 0) return;
    await write(() => {
      for (const name of names) {
        const record = table.get(name);
        if (record !== undefined && this.#isOver(record)) table.removeSync(name);
      }
    });
  }

  #live(name: string): string | null {
    const record = this.#options.table.get(Buffer.from(name));
    return record === undefined || this.#isOver(record) ? null : Buffer.from(sealedValueOf(record)).toString();
  }

  #isOver(record: Buffer): boolean {
    const expiry = expiryOf(record);
    return expiry === null || this.#options.now() >= expiry;
  }
}
