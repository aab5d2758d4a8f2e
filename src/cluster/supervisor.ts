// Who works: forks the workers, knows who is ready, and replaces those that have ended. What a worker is for is not known here.
import cluster, { type Worker } from 'node:cluster';
import type { Logger } from 'pino';
import { systemTimers } from '../infra/timers.js';
import { Liveness } from './liveness.js';
import { Pulse } from './pulse.js';
import { type Ending, isHopeless, Slot } from './respawn.js';
import { type WorkerState, Workers } from './workers.js';

export interface SupervisorOptions {
  readonly log: Logger;
  /** Milliseconds. */
  readonly monotonic: () => number;
  /** Once: every worker is ready, but for those that are waited for. */
  readonly onListening: () => void;
  /** A worker is no more; what it was for has to be done without it. */
  readonly onEnded: (state: WorkerState) => void;
  /** No worker has ever been ready, and none will be. */
  readonly onHopeless: (code: string, why: string) => void;
  /** Nobody is left after `drain`. */
  readonly onDrained: () => void;
}

/** Beyond the time that workers have for what is in flight, in milliseconds. */
const DRAIN_MARGIN = 5_000;
const WHAT_TO_DO =
  'What it printed on standard error says why. It needs Node.js 20, 22 or 24 and packages that were installed on this system (npm ci)';

export class Supervisor {
  readonly workers: Workers;
  /** Workers that died and were, or will be, started again. */
  restarts = 0;
  /** From `drain` or `kill` on nobody is replaced. */
  stopping = false;
  private readonly options: SupervisorOptions;
  private readonly log: Logger;
  private readonly liveness: Liveness;
  private readonly pulse: Pulse;
  private environment: Readonly<Record<string, string>> = {};
  private slots: readonly Slot[] = [];
  private everReady = false;
  private listening = false;

  constructor(options: SupervisorOptions) {
    this.options = options;
    this.log = options.log;
    this.workers = new Workers(options.log);
    this.liveness = new Liveness(options.monotonic);
    this.pulse = new Pulse({ workers: this.workers, timers: systemTimers, log: options.log });
  }

  /** `main`: the file that workers run. */
  start(count: number, main: string, environment: Readonly<Record<string, string>>): void {
    this.environment = environment;
    // No standard input, none of the output that native code prints, and ours as a descriptor of its own (WORKER_LOG_FD).
    cluster.setupPrimary({ exec: main, stdio: ['ignore', 'ignore', 'inherit', 'ipc', 1] });
    cluster.on('exit', (worker, code, signal) => this.ended(worker, { code, signal }));
    cluster.on('message', ({ id }) => this.pulse.heard(id));
    // Somebody with a debugger may look at a worker for as long as he likes.
    if (!isDebugged()) this.pulse.start();
    this.slots = Array.from({ length: count }, (_, place) => new Slot((slot) => this.fork(slot), place));
    for (const slot of this.slots) slot.fill();
  }

  /** How many workers there should be. */
  get wanted(): number {
    return this.slots.length;
  }

  /** Why this daemon cannot answer and had better be started anew; null while it can. */
  problem(): string | null {
    return this.stopping ? null : this.liveness.problem();
  }

  ready(worker: Worker): void {
    const state = this.workers.get(worker);
    if (state === undefined) return;
    state.ready = true;
    this.everReady = true;
    this.liveness.update(this.workers.ready().length);
    this.log.info({ worker: worker.id, worker_pid: worker.process.pid }, 'worker ready');
    this.checkListening();
  }

  /** It says that it cannot start. */
  failed(worker: Worker, code: string, message: string): void {
    const state = this.workers.get(worker);
    if (state === undefined) return;
    state.failure = message;
    // At the start nothing will get better by itself; later it may, and the others go on.
    if (this.everReady || this.stopping) worker.process.kill('SIGKILL');
    else this.options.onHopeless(code, message);
  }

  /** `idleMs`: how long connections without a request stay open. */
  drain(graceMs: number, idleMs = 0): void {
    this.stopping = true;
    this.close();
    if (this.workers.size === 0) this.options.onDrained();
    this.workers.drain(graceMs, idleMs);
    setTimeout(() => this.workers.kill(), graceMs + DRAIN_MARGIN).unref();
  }

  kill(): void {
    this.stopping = true;
    this.workers.kill();
  }

  /** Nobody is waited for any more. */
  close(): void {
    this.pulse.stop();
    for (const slot of this.slots) slot.close();
  }

  private fork(slot: Slot): void {
    try {
      const worker = cluster.fork(this.environment);
      this.workers.add(worker, slot);
      // A process that could not be made tells so here, and nothing else about it ever comes.
      worker.on('error', (error) => {
        if (worker.process.pid === undefined) this.ended(worker, { code: null, signal: null }, error);
        else this.log.warn({ worker: worker.id, err: error }, 'message to a worker not sent');
      });
    } catch (error) {
      this.log.error({ err: error, restart_in_ms: slot.refill(false) }, 'a worker could not be started');
    }
  }

  private ended(worker: Worker, ending: Ending, error?: unknown): void {
    const state = this.workers.get(worker);
    if (state === undefined) return;
    this.workers.remove(worker);
    this.liveness.update(this.workers.ready().length);
    this.options.onEnded(state);
    if (this.stopping) {
      if (this.workers.size === 0) this.options.onDrained();
      return;
    }
    const { code, signal } = ending;
    if (!this.everReady && isHopeless(ending)) {
      const how = signal ?? `exit code ${code}`;
      this.options.onHopeless('worker_unusable', `a worker ended before it was ready (${how}). ${WHAT_TO_DO}`);
      return;
    }
    this.replace(state, ending, error);
    this.checkListening();
  }

  private replace({ worker, slot, ready, failure }: WorkerState, { code, signal }: Ending, error: unknown): void {
    this.restarts += 1;
    const facts = {
      worker: worker.id,
      exit: code,
      signal,
      ready: this.workers.ready().length,
      ...(error === undefined ? {} : { err: error }),
      restart_in_ms: slot.refill(ready),
    };
    const why = failure === null ? '' : `: ${failure}`;
    this.log.error(facts, ready ? 'a worker died' : `a worker died before it was ready${why}`);
  }

  private checkListening(): void {
    if (this.listening || !this.everReady || this.workers.ready().length < this.workers.size) return;
    this.listening = true;
    this.options.onListening();
  }
}

function isDebugged(): boolean {
  return process.execArgv.some((option) => option.startsWith('--inspect'));
}
