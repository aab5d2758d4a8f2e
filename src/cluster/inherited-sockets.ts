// The listening sockets that a successor has from its predecessor, for its workers. node:cluster closes one when the last worker that
// listens on it is gone; from then on it is a number that may be anything, and workers bind for themselves.
import cluster, { type Address, type Worker } from 'node:cluster';
import type { Descriptors, ListenerName } from './handover.js';

export class InheritedSockets {
  private readonly descriptors: Descriptors;
  /** By descriptor: who listens on it; undefined until the first worker does. */
  private readonly users = new Map<number, Set<number>>();
  private readonly onListening = (worker: Worker, address: Address & { fd?: number }): void => {
    const { fd } = address;
    if (typeof fd === 'number') this.use(fd, worker.id);
  };

  constructor(descriptors: Descriptors) {
    this.descriptors = descriptors;
    cluster.on('listening', this.onListening);
  }

  /** For a worker that begins. */
  offered(): Descriptors {
    const open = Object.entries(this.descriptors).filter(
      ([, descriptor]) => descriptor !== undefined && this.users.get(descriptor)?.size !== 0,
    );
    return Object.fromEntries(open) as Partial<Record<ListenerName, number>>;
  }

  use(fd: number, worker: number): void {
    this.users.set(fd, (this.users.get(fd) ?? new Set()).add(worker));
  }

  gone(worker: number): void {
    for (const users of this.users.values()) users.delete(worker);
  }

  close(): void {
    cluster.removeListener('listening', this.onListening);
  }
}
