// The workers that there are, and what the primary tells them.
import type { Worker } from 'node:cluster';
import type { Logger } from 'pino';
import type { WorkerReport } from '../metrics/report.js';
import { DeltaSink } from '../metrics/report-delta.js';
import type { ToWorker } from './messages.js';
import type { Slot } from './respawn.js';

export interface Member {
  readonly worker: Worker;
  readonly slot: Slot;
  /** Whether it has been given a configuration; what is told before that is not heard. */
  setUp: boolean;
  ready: boolean;
  /** What it said about why it cannot start. */
  failure: string | null;
  /** What it has told so far; what counts when it does not answer in time, or dies. */
  readonly counted: DeltaSink;
}

export class Members {
  private readonly log: Logger;
  private readonly all = new Map<number, Member>();

  constructor(log: Logger) {
    this.log = log;
  }

  add(worker: Worker, slot: Slot): void {
    this.all.set(worker.id, { worker, slot, setUp: false, ready: false, failure: null, counted: new DeltaSink() });
  }

  get(worker: Worker): Member | undefined {
    return this.all.get(worker.id);
  }

  remove(worker: Worker): void {
    this.all.delete(worker.id);
  }

  get size(): number {
    return this.all.size;
  }

  ready(): readonly Member[] {
    return [...this.all.values()].filter((member) => member.ready);
  }

  setUp(): readonly Member[] {
    return [...this.all.values()].filter((member) => member.setUp);
  }

  reports(): readonly WorkerReport[] {
    return [...this.all.values()].map(({ counted }) => counted.report());
  }

  tell(worker: Worker, message: ToWorker): void {
    if (worker.isConnected())
      worker.send(message, (error) => error && this.log.warn({ err: error }, 'a worker could not be told'));
  }

  tellId(id: number, message: ToWorker): void {
    const member = this.all.get(id);
    if (member !== undefined) this.tell(member.worker, message);
  }

  /** False when no worker is ready. */
  tellOne(message: ToWorker): boolean {
    const member = this.ready().find(({ worker }) => worker.isConnected());
    if (member !== undefined) this.tell(member.worker, message);
    return member !== undefined;
  }

  broadcast(message: ToWorker, except?: Worker): void {
    for (const { worker } of this.all.values()) if (worker !== except) this.tell(worker, message);
  }

  /** Those that have not begun would not hear it: they have nothing to finish either. */
  drain(graceMs: number): void {
    for (const { setUp, worker } of this.all.values()) if (!setUp) worker.process.kill('SIGKILL');
    this.broadcast({ type: 'drain', graceMs });
  }

  kill(): void {
    for (const { worker } of this.all.values()) worker.process.kill('SIGKILL');
  }
}
