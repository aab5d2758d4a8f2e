// What is written to the embedded store, in order: operations that are asked while a transaction runs share the next one, and
// with it its fsync. Whoever asks is answered within five seconds, whatever the disk or another process does.
import { AkproxError } from '../../infra/errors.js';

/** A call is given up after this long: another process may hold the write lock, or the disk may hang. */
const CALL_TIMEOUT_MS = 5_000;

export class WriteQueue {
  readonly #transaction: (work: () => void) => Promise<unknown>;
  readonly #batch: number;
  readonly #queue: Operation[] = [];
  #pumping: Promise<void> | null = null;

  /** `transaction`: resolves once what `work` wrote is on the disk. `batch`: sessions that one transaction may touch. */
  constructor(transaction: (work: () => void) => Promise<unknown>, batch: number) {
    this.#transaction = transaction;
    this.#batch = batch;
  }

  /**
   * Resolves once the transaction that ran `action` is on the disk. An LMDB error inside marks the whole transaction bad, so
   * it is all or nothing. After a timeout in the middle of a commit the outcome is unknown; an action still queued never runs.
   * `sessions`: how many it may touch.
   */
  write<T>(action: () => T, sessions = 1): Promise<T> {
    const { promise, operation } = operationOf(action, sessions);
    this.#queue.push(operation);
    this.#pumping ??= this.#pump();
    return bounded(promise, () => {
      const at = this.#queue.indexOf(operation);
      if (at >= 0) this.#queue.splice(at, 1);
    });
  }

  /** Does `end` when everything that was asked has been written, or five seconds have passed. */
  async close(end: () => Promise<void>): Promise<void> {
    await bounded((this.#pumping ?? Promise.resolve()).then(end));
  }

  /** One transaction at a time. */
  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#transaction(() => {
          for (const operation of batch) operation.run();
        });
        for (const operation of batch) operation.committed();
      } catch (error) {
        const cause = await commitError(error);
        for (const operation of batch) operation.failed(cause);
      }
    }
    this.#pumping = null;
  }

  #nextBatch(): Operation[] {
    let size = 0;
    for (let touched = 0; size < this.#queue.length; size += 1) {
      touched += this.#queue[size]?.sessions ?? 0;
      if (size > 0 && touched > this.#batch) break;
    }
    return this.#queue.splice(0, size);
  }
}

interface Operation {
  /** How many it may touch. */
  readonly sessions: number;
  run(): void;
  committed(): void;
  failed(error: unknown): void;
}

function operationOf<T>(action: () => T, sessions: number): { promise: Promise<T>; operation: Operation } {
  let outcome: { readonly value: T } | { readonly error: unknown } = { error: new Error('the transaction never ran') };
  let operation: Operation | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    operation = {
      sessions,
      run() {
        try {
          outcome = { value: action() };
        } catch (error) {
          outcome = { error };
        }
      },
      committed() {
        if ('value' in outcome) resolve(outcome.value);
        else reject(outcome.error);
      },
      failed: reject,
    };
  });
  if (operation === undefined) throw new Error('unreachable: a promise runs its executor at once');
  return { promise, operation };
}

/** lmdb-js hands out the reason of a failed commit as a promise of its own; unheard, it would end the process. */
async function commitError(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  try {
    return await error.commitError;
  } catch (reason) {
    return reason;
  }
}

async function bounded<T>(work: Promise<T>, onTimeout: () => void = () => undefined): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      onTimeout();
      reject(new Error(`no answer within ${CALL_TIMEOUT_MS} ms`));
    }, CALL_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, timeout]);
  } catch (error) {
    throw new AkproxError('store_unavailable', 'the embedded store cannot be written', error);
  } finally {
    clearTimeout(timer);
  }
}
