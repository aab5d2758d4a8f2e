// Questions of the primary to every ready worker. Each ends when all have answered or died, or the time is up.
import type { Timers } from '../infra/timers.js';
import type { ToPrimary } from './messages.js';
import type { Workers } from './workers.js';

/** How long workers have for an answer, in milliseconds. */
const TIMEOUT = 1_000;

interface Question {
  readonly waiting: Set<number>;
  readonly done: () => void;
  readonly degraded: Set<string>;
}

export class Questions {
  private readonly workers: Pick<Workers, 'ready' | 'send'>;
  private readonly timers: Timers;
  private readonly open = new Map<number, Question>();
  private last = 0;

  constructor(workers: Pick<Workers, 'ready' | 'send'>, timers: Timers) {
    this.workers = workers;
    this.timers = timers;
  }

  /** Resolves with what is worse than it should be, in the words of those who answered. */
  ask(question: 'report' | 'health'): Promise<readonly string[]> {
    this.last += 1;
    const request = this.last;
    const asked = this.workers.ready().map(({ worker }) => worker);
    return new Promise((resolve) => {
      const degraded = new Set<string>();
      const done = (): void => {
        cancel();
        this.open.delete(request);
        resolve([...degraded]);
      };
      const cancel = this.timers.after(TIMEOUT, done);
      this.open.set(request, { waiting: new Set(asked.map(({ id }) => id)), done, degraded });
      for (const worker of asked) this.workers.send(worker, { type: question, request });
      if (asked.length === 0) done();
    });
  }

  answered(worker: number, answer: Extract<ToPrimary, { type: 'report' | 'health' }>): void {
    const question = this.open.get(answer.request);
    if (question === undefined) return;
    if (answer.type === 'health' && answer.degraded !== null) question.degraded.add(answer.degraded);
    this.settle(worker, question);
  }

  /** A worker that died answers nothing any more. */
  gone(worker: number): void {
    for (const question of this.open.values()) this.settle(worker, question);
  }

  private settle(worker: number, question: Question): void {
    if (question.waiting.delete(worker) && question.waiting.size === 0) question.done();
  }
}
