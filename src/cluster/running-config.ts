// The configuration that runs, and how it changes: what is on the disk replaces it at SIGHUP, what authentik sends comes on top,
// and every worker gets it.
import type { Logger } from 'pino';
import type { Loaded, LoadResult } from '../config/load.js';
import { formatProblem } from '../config/problems.js';
import type { Config } from '../config/schema.js';
import { explain } from '../infra/errors.js';
import type { Timers } from '../infra/timers.js';
import { type Extent, extentOf, type OnDisk, refusal, withoutRestart } from './reload.js';
import { Rollout } from './rollout.js';
import type { Workers } from './workers.js';

export interface RunningConfigOptions {
  /** What the daemon was started with. */
  readonly started: OnDisk;
  /** Reads the disk again. */
  readonly load: () => Promise<LoadResult>;
  /** What was read from the disk is what counts from now on. */
  readonly taken: (loaded: Loaded) => void;
  /** `config` from the disk, with what authentik adds. */
  readonly merge: (config: Config) => Config;
  readonly workers: Workers;
  /** Just before workers get it, and read what it refers to. */
  readonly beforeApply: (next: Config) => void;
  readonly timers: Timers;
  readonly log: Logger;
}

/** What came of reading it again. */
export type Reloaded =
  | { readonly taken: false; readonly problems: readonly string[] }
  | {
      readonly taken: true;
      readonly warnings: readonly string[];
      /** Settings that a restart alone changes. */
      readonly ignored: readonly string[];
      /** When every worker has it: what they could not apply. */
      readonly applied: Promise<readonly string[]>;
    };

export class RunningConfig {
  current: Config;
  private readonly options: RunningConfigOptions;
  private readonly log: Logger;
  private readonly rollout: Rollout;
  /** The last one from the disk that was taken. */
  private onDisk: OnDisk;
  /** What is on the disk was taken when it was last read, and every worker could use all of what it got. */
  private isTaken = true;
  private isWhole = true;
  private whenApplied: ((problems: readonly string[]) => void)[] = [];
  private reloading: Promise<unknown> = Promise.resolve();
  /** The last one that every worker had. */
  generation = 0;

  constructor(options: RunningConfigOptions) {
    this.options = options;
    this.log = options.log;
    this.current = options.started.config;
    this.onDisk = options.started;
    this.rollout = new Rollout(options.timers, {
      done: (generation, problems) => this.applied(generation, problems),
      late: (generation, workers) =>
        this.log.error(
          { generation, workers },
          'workers have not acknowledged the configuration; they may answer by the former one',
        ),
    });
  }

  /** Whether it is as it was last read. */
  get isCurrent(): boolean {
    return this.isTaken && this.isWhole;
  }

  /** Of the last one that was taken from the disk. */
  extent(): Extent {
    return extentOf(this.onDisk);
  }

  /** Takes what is on the disk, or says why not. One after the other: what is read last counts. Never rejects. */
  reload(): Promise<Reloaded> {
    const reloaded = this.reloading
      .then(() => this.options.load())
      .then(
        (result) => this.take(result),
        (error: unknown): Reloaded => {
          this.isTaken = false;
          this.log.error({ err: error }, 'the configuration was not changed: it could not be read');
          return { taken: false, problems: [`it could not be read: ${explain(error)}`] };
        },
      );
    this.reloading = reloaded;
    return reloaded;
  }

  private take(result: LoadResult): Reloaded {
    this.isTaken = false;
    if (!result.ok) {
      for (const { path, message, ...place } of result.problems) this.log.error({ setting: path, ...place }, message);
      this.log.error('the configuration was not changed: the new one has problems');
      return { taken: false, problems: result.problems.map(formatProblem) };
    }
    const why = refusal(this.extent(), result);
    if (why !== null) {
      this.log.error(`the configuration was not changed: ${why}`);
      return { taken: false, problems: [why] };
    }
    this.onDisk = result;
    this.options.taken(result);
    this.isTaken = true;
    for (const warning of result.warnings) this.log.warn(warning);
    const { config, ignored } = withoutRestart(result.config, this.current, this.options.started.config);
    for (const setting of ignored) this.log.warn({ setting }, 'setting ignored until a restart');
    const applied = this.apply(this.options.merge(config));
    return { taken: true, warnings: result.warnings, ignored, applied };
  }

  /** Resolves when every worker has it, or what superseded it, with what they could not apply; one that is forked meanwhile begins with it. Never rejects. */
  apply(next: Config): Promise<readonly string[]> {
    this.current = next;
    this.log.level = next.log.level;
    this.options.beforeApply(next);
    const receivers = this.options.workers.setUp().map(({ worker }) => worker);
    const applied = new Promise<readonly string[]>((resolve) => this.whenApplied.push(resolve));
    const generation = this.rollout.begin(receivers.map(({ id }) => id));
    for (const worker of receivers) this.options.workers.send(worker, { type: 'configure', generation, config: next });
    return applied;
  }

  acknowledged(worker: number, generation: number, problem: string | null): void {
    this.rollout.acknowledged(worker, generation, problem);
  }

  /** A worker that is no more acknowledges nothing. */
  gone(worker: number): void {
    this.rollout.gone(worker);
  }

  private applied(generation: number, problems: readonly string[]): void {
    this.isWhole = problems.length === 0;
    this.generation = generation;
    const facts = { generation, providers: this.current.providers.length };
    if (problems.length === 0) this.log.info(facts, 'the configuration was changed');
    else this.log.error({ ...facts, problems }, 'the configuration was changed, but not all of it');
    for (const resolve of this.whenApplied.splice(0)) resolve(problems);
  }
}
