// Workers that live and do nothing: one whose event loop stands still answers nobody, and the kernel still gives it its share of the
// connections. Turns are counted and not time, so that a host or a container that stood still as a whole costs no worker.
import type { Logger } from 'pino';
import type { Timers } from '../infra/timers.js';
import type { Workers } from './workers.js';

/** Between two questions to every worker, in milliseconds. */
const EVERY = 5_000;
/** Questions in a row that a worker may leave unanswered: half a minute, as the line says. */
const MOST_MISSED = 6;
/** No question has this number: who answers does not matter to whom, only that he does. */
const NOBODY_WAITS = 0;

export interface PulseOptions {
  readonly workers: Pick<Workers, 'ready' | 'send'>;
  readonly timers: Timers;
  readonly log: Logger;
}

export class Pulse {
  private readonly options: PulseOptions;
  /** By worker: questions since it was last heard. */
  private missed = new Map<number, number>();
  private cancel: () => void = () => {};

  constructor(options: PulseOptions) {
    this.options = options;
  }

  start(): void {
    this.cancel = this.options.timers.after(EVERY, () => {
      this.feel();
      this.start();
    });
  }

  stop(): void {
    this.cancel();
  }

  /** Whatever it says. */
  heard(worker: number): void {
    this.missed.delete(worker);
  }

  private feel(): void {
    const { workers, log } = this.options;
    const before = this.missed;
    this.missed = new Map();
    for (const { worker } of workers.ready()) {
      const missed = before.get(worker.id) ?? 0;
      if (missed < MOST_MISSED) {
        this.missed.set(worker.id, missed + 1);
        workers.send(worker, { type: 'health', request: NOBODY_WAITS });
        continue;
      }
      log.error(
        { worker: worker.id, worker_pid: worker.process.pid },
        'a worker has not answered for 30 s: it is killed, and another takes its place',
      );
      worker.process.kill('SIGKILL');
    }
  }
}
