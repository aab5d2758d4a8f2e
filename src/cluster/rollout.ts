// A configuration on its way to the workers: when every one of them has it, who takes long, and what went wrong on the way.
import type { Timers } from '../infra/timers.js';

/** After this long a worker that has not acknowledged is named, in milliseconds. */
const LATE = 10_000;

export interface RolloutEvents {
  /** Every worker has it, or is no more. `problems`: what they could not apply, each once. */
  done(generation: number, problems: readonly string[]): void;
  late(generation: number, workers: readonly number[]): void;
}

export class Rollout {
  private readonly timers: Timers;
  private readonly events: RolloutEvents;
  private generation = 0;
  /** By worker: the oldest configuration that it has not acknowledged. */
  private readonly waiting = new Map<number, number>();
  private readonly problems = new Set<string>();

  constructor(timers: Timers, events: RolloutEvents) {
    this.timers = timers;
    this.events = events;
  }

  /** The number of a new configuration that is about to be sent to `workers`; one that was on its way is superseded by it. */
  begin(workers: readonly number[]): number {
    this.generation += 1;
    const { generation } = this;
    this.problems.clear();
    for (const worker of workers) if (!this.waiting.has(worker)) this.waiting.set(worker, generation);
    if (this.waiting.size === 0) this.events.done(generation, []);
    else this.timers.after(LATE, () => this.nameLate(generation));
    return generation;
  }

  acknowledged(worker: number, generation: number, problem: string | null): void {
    if (!this.waiting.has(worker)) return;
    if (generation < this.generation) {
      this.waiting.set(worker, generation + 1);
      return;
    }
    if (problem !== null) this.problems.add(problem);
    this.settle(worker);
  }

  /** Its successor begins with the newest. */
  gone(worker: number): void {
    if (this.waiting.has(worker)) this.settle(worker);
  }

  private settle(worker: number): void {
    this.waiting.delete(worker);
    if (this.waiting.size === 0) this.events.done(this.generation, [...this.problems]);
  }

  private nameLate(generation: number): void {
    const late = [...this.waiting].filter(([, oldest]) => oldest <= generation).map(([worker]) => worker);
    if (late.length > 0) this.events.late(generation, late);
  }
}
