// SIGUSR2, as the daemon sees it that is to be replaced: starts its successor from what is on the disk, and goes on until the successor
// says that it serves. Whatever becomes of a successor before that changes nothing here.
//
// None of this may be loaded on demand: what lies on the disk by then is of another version.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Logger } from 'pino';
import { explain } from '../infra/errors.js';
import type { Timers } from '../infra/timers.js';
import type { Revocation } from '../session/revocation.js';
import { type Handover, LISTENERS, PREDECESSOR, type ToPredecessor, type ToSuccessor } from './handover.js';

/** What is started: node, its options, the script; with the environment that this daemon has. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export interface SuccessionOptions {
  readonly program: Program;
  /** Null, or why there can be no successor. */
  readonly refused: () => string | null;
  readonly timers: Timers;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** What it takes over; null when a listening socket was not found. */
  readonly handover: () => Handover | null;
  /** It serves: this daemon can drain. */
  readonly onServing: () => void;
  readonly onRevoked: (revocation: Revocation) => void;
  readonly start?: typeof spawn;
}

/** For a successor to be ready, in milliseconds; and, told to go, to be gone. */
export const PATIENCE = 60_000;
const FAREWELL = 20_000;
/** Behind standard streams and the channel. */
const FIRST_DESCRIPTOR = 4;

interface Successor {
  readonly child: ChildProcess;
  /** What it said about why it cannot start. */
  failure: string | null;
  isServing: boolean;
  readonly cancel: () => void;
}

export class Succession {
  private readonly options: SuccessionOptions;
  private successor: Successor | null = null;

  constructor(options: SuccessionOptions) {
    this.options = options;
  }

  begin(): void {
    const { log, refused, handover } = this.options;
    const why = refused();
    if (why === null && this.successor !== null) {
      log.warn({ successor: this.successor.child.pid }, 'SIGUSR2 ignored: a successor is starting already');
      return;
    }
    const handed = why === null ? handover() : null;
    if (handed === null) {
      log.error(`SIGUSR2 ignored: ${why ?? 'this Node.js does not tell which sockets listen'}`);
      return;
    }
    try {
      this.start(handed);
    } catch (error) {
      this.ended(explain(error));
    }
  }

  private start(handover: Handover): void {
    const { program, start = spawn, timers, log } = this.options;
    const names = LISTENERS.filter((name) => handover.descriptors[name] !== undefined);
    const child = start(program.command, [...program.args], {
      env: { ...program.environment, [PREDECESSOR]: String(process.pid) },
      stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...names.map((name) => handover.descriptors[name])],
    });
    const successor = {
      child,
      failure: null,
      isServing: false,
      cancel: timers.after(PATIENCE, () => this.giveUp(successor, `it was not ready within ${PATIENCE / 1_000} s`)),
    };
    this.successor = successor;
    child.on('message', (message) => this.receive(successor, message as ToPredecessor));
    child.on('error', (error) => {
      if (child.pid === undefined) this.over(successor, explain(error));
    });
    child.on('exit', (code, signal) => this.over(successor, `it ended with ${signal ?? `exit code ${code}`}`));
    // In the successor they are numbered anew.
    const descriptors = Object.fromEntries(names.map((name, i) => [name, FIRST_DESCRIPTOR + i]));
    this.send({ type: 'handover', handover: { ...handover, descriptors } });
    if (child.pid !== undefined) log.info({ successor: child.pid }, 'SIGUSR2: a successor is starting');
  }

  /** A session was ended here. */
  revoked(revocation: Revocation): void {
    this.send({ type: 'revoked', revocation });
  }

  /** It has read the configuration already. */
  reload(): void {
    if (this.successor?.isServing === false) this.send({ type: 'reload' });
  }

  /** This daemon is to stop. One that serves goes on. */
  abandon(): void {
    const { successor } = this;
    if (successor !== null && !successor.isServing) this.giveUp(successor, 'this daemon was told to stop');
  }

  /** It is on its own. */
  release(): void {
    const child = this.successor?.child;
    this.successor?.cancel();
    if (child?.connected) child.disconnect();
    child?.unref();
  }

  private receive(successor: Successor, message: ToPredecessor): void {
    if (successor !== this.successor) return;
    switch (message.type) {
      case 'failed':
        successor.failure = message.message;
        break;
      case 'revoked':
        this.options.onRevoked(message.revocation);
        break;
      case 'serving':
        if (successor.isServing) break;
        successor.isServing = true;
        successor.cancel();
        this.options.onServing();
        break;
      default:
        message satisfies never;
    }
  }

  private giveUp(successor: Successor, why: string): void {
    const { child } = successor;
    child.kill('SIGTERM');
    const cancel = this.options.timers.after(FAREWELL, () => child.kill('SIGKILL'));
    child.once('exit', cancel);
    this.over(successor, why);
  }

  private over(successor: Successor, how: string): void {
    if (successor !== this.successor || successor.isServing) return;
    successor.cancel();
    this.successor = null;
    this.ended(successor.failure ?? how);
  }

  private ended(why: string): void {
    this.options.log.error(`the successor cannot start, this daemon goes on: ${why.trim().replace(/\s*\n\s*/g, '; ')}`);
  }

  private send(message: ToSuccessor): void {
    const child = this.successor?.child;
    // Whoever is gone is told of by `exit`.
    if (child?.connected) child.send(message, () => {});
  }
}
