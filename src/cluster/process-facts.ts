// What the kernel says of the processes of this daemon, added up, under the names that Prometheus' own clients use. Linux only: elsewhere
// there is nothing to read, and nothing on the page.
import { readdirSync, readFileSync } from 'node:fs';
import type { ProcessFacts } from '../metrics/metric.js';

/** Of the clock that /proc counts CPU time by; the same on every Linux. */
const TICKS_PER_SECOND = 100;

export interface ProcFiles {
  /** Throws when there is no such file. */
  readonly read: (path: string) => string;
  readonly count: (directory: string) => number;
}

export const PROC: ProcFiles = {
  read: (path) => readFileSync(path, 'latin1'),
  count: (directory) => readdirSync(directory).length,
};

export class Processes {
  private readonly files: ProcFiles;
  private readonly startedAt: number;
  /** CPU seconds by process, as they were last seen; those of processes that are no more are in `ended`. */
  private readonly cpu = new Map<number, number>();
  private ended = 0;

  /** `startedAt`: Unix milliseconds. */
  constructor(startedAt: number, files = PROC) {
    this.startedAt = startedAt;
    this.files = files;
  }

  /** Null where the kernel says nothing. What a process took after it was last looked at is lost when it ends. */
  look(pids: readonly number[]): ProcessFacts | null {
    const seen = pids.map((pid) => this.readOne(pid)).filter((one) => one !== null);
    for (const pid of [...this.cpu.keys()]) if (!pids.includes(pid)) this.forget(pid);
    if (seen.length === 0) return null;
    const sum = (name: 'resident' | 'virtual' | 'openFds' | 'maxFds') =>
      seen.reduce((total, one) => total + one[name], 0);
    return {
      cpuSeconds: this.ended + [...this.cpu.values()].reduce((total, one) => total + one, 0),
      residentBytes: sum('resident'),
      virtualBytes: sum('virtual'),
      openFds: sum('openFds'),
      maxFds: sum('maxFds'),
      startTime: this.startedAt / 1_000,
    };
  }

  private readOne(pid: number): { resident: number; virtual: number; openFds: number; maxFds: number } | null {
    const { read, count } = this.files;
    try {
      // Behind the name, which may have any letter in it.
      const stat = read(`/proc/${pid}/stat`);
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const status = read(`/proc/${pid}/status`);
      const one = {
        resident: kilobytes(status, 'VmRSS'),
        virtual: kilobytes(status, 'VmSize'),
        openFds: count(`/proc/${pid}/fd`),
        maxFds: Number(/^Max open files +(\d+)/m.exec(read(`/proc/${pid}/limits`))?.[1] ?? 0),
      };
      this.cpu.set(pid, (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND);
      return one;
    } catch {
      // It ends just now.
      return null;
    }
  }

  private forget(pid: number): void {
    this.ended += this.cpu.get(pid) ?? 0;
    this.cpu.delete(pid);
  }
}

function kilobytes(status: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1_024;
}
