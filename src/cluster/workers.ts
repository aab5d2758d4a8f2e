// The workers that there are, and what the primary sends them.
import type { Worker } from 'node:cluster';
import type { Logger } from 'pino';
import type { ToWorker } from './messages.js';
import type { Slot } from './respawn.js';

export interface WorkerState {
  readonly worker: Worker;
  readonly slot: Slot;
  /** Whether it has been given a configuration; what is sent before that is lost. */
  setUp: boolean;
  ready: boolean;
  /** What it said about why it cannot start. */
  failure: string | null;
}

export class Workers {
  private readonly log: Logger;
  private readonly all = new Map<number, WorkerState>();

  constructor(log: Logger) {
    this.log = log;
  }

  add(worker: Worker, slot: Slot): void {
    this.all.set(worker.id, { worker, slot, setUp: false, ready: false, failure: null });
  }

  get(worker: Worker): WorkerState | undefined {
    return this.all.get(worker.id);
  }

  remove(worker: Worker): void {
    this.all.delete(worker.id);
  }

  get size(): number {
    return this.all.size;
  }

  ready(): readonly WorkerState[] {
    return [...this.all.values()].filter((state) => state.ready);
  }

  setUp(): readonly WorkerState[] {
    return [...this.all.values()].filter((state) => state.setUp);
  }

  pids(): number[] {
    return [...this.all.values()].flatMap(({ worker }) => worker.process.pid ?? []);
  }

  send(worker: Worker, message: ToWorker): void {
    if (!worker.isConnected()) return;
    worker.send(message, (error) => {
      if (error) this.log.warn({ worker: worker.id, err: error }, 'message to a worker not sent');
    });
  }

  /** To one that is ready; null when none is. */
  sendToOne(message: ToWorker): Worker | null {
    const state = this.ready().find(({ worker }) => worker.isConnected());
    if (state !== undefined) this.send(state.worker, message);
    return state?.worker ?? null;
  }

  broadcast(message: ToWorker, except?: Worker): void {
    for (const { worker } of this.all.values()) if (worker !== except) this.send(worker, message);
  }

  /** Those that have not begun would not receive it: they have nothing to finish either. */
  drain(graceMs: number, idleMs: number): void {
    for (const { setUp, worker } of this.all.values()) if (!setUp) worker.process.kill('SIGKILL');
    this.broadcast({ type: 'drain', graceMs, idleMs });
  }

  kill(): void {
    for (const { worker } of this.all.values()) worker.process.kill('SIGKILL');
  }
}
