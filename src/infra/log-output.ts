// Where log lines go: a file descriptor that may be a full disk, a pipe that nobody reads, or one whose reader has gone. None of
// these may end a process, keep it from ending, hold up a request or fill the memory. What is lost is counted and told.
import { write, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

/** What may wait for a reader, in UTF-16 units. */
const MOST_WAITING = 4 * 1_024 * 1_024;
/** Until a reader that is full is tried again, in milliseconds; and how often by a process that ends. */
const RETRY = 100;
const LAST_TRIES = 10;
/** For a reader that stands still, by whoever wants a line to be out before he goes on; in milliseconds. */
const LONGEST_WAIT = 100;

export class LogOutput implements DestinationStream {
  private readonly fd: number;
  private readonly now: () => number;
  private waiting = '';
  private writing: Buffer | null = null;
  private retry: NodeJS.Timeout | undefined;
  private lost = 0;
  private readonly whenIdle = new Set<() => void>();

  constructor(fd: number, now: () => number) {
    this.fd = fd;
    this.now = now;
    process.on('exit', () => this.flush());
  }

  /** `line` ends with a newline. */
  write(line: string): void {
    if (this.waiting.length + line.length > MOST_WAITING) this.lost += 1;
    else this.waiting += line;
    if (this.writing === null) this.next();
  }

  /** Resolves when all is out, or lost; soon in any case. */
  async written(): Promise<void> {
    if (this.writing === null) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.whenIdle.delete(done);
        resolve();
      };
      const timer = setTimeout(done, LONGEST_WAIT);
      this.whenIdle.add(done);
    });
  }

  private next(): void {
    this.writing = this.waiting === '' ? null : Buffer.from(this.waiting);
    this.waiting = '';
    if (this.writing === null) for (const done of [...this.whenIdle]) done();
    this.push();
  }

  private push(): void {
    if (this.writing !== null) write(this.fd, this.writing, (error, written) => this.wrote(error, written));
  }

  private wrote(error: NodeJS.ErrnoException | null, written: number): void {
    if (isBusy(error)) {
      this.retry = setTimeout(() => {
        this.retry = undefined;
        this.push();
      }, RETRY).unref();
      return;
    }
    const sent = error === null ? written : 0;
    const rest = this.writing?.subarray(sent);
    if (error !== null) this.lost += countLines(rest);
    else if (rest !== undefined && rest.length > 0) {
      this.writing = rest;
      this.push();
      return;
    } else this.tellLoss();
    this.next();
  }

  private tellLoss(): void {
    if (this.lost === 0) return;
    const time = new Date(this.now()).toISOString();
    const told = {
      level: 'warn',
      time,
      name: 'log',
      pid: process.pid,
      lost: this.lost,
      msg: 'log lines could not be written',
    };
    this.waiting += `${JSON.stringify(told)}\n`;
    this.lost = 0;
  }

  /** What is being written in another thread at this moment is left to it. */
  private flush(): void {
    const again = this.retry === undefined ? null : this.writing;
    let rest = Buffer.concat([again ?? Buffer.alloc(0), Buffer.from(this.waiting)]);
    for (let tries = LAST_TRIES; rest.length > 0 && tries > 0; ) {
      try {
        rest = rest.subarray(writeSync(this.fd, rest));
      } catch (error) {
        if (!isBusy(error)) return;
        tries -= 1;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY);
      }
    }
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EAGAIN' || error.code === 'EBUSY');
}

function countLines(text: Buffer | undefined): number {
  return text === undefined ? 0 : text.toString('latin1').split('\n').length - 1;
}
