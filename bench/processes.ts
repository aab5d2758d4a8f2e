// What a process costs, from /proc, and where it may run. Linux only: elsewhere CPU and memory are shown as unknown.
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ is 100 on every Linux that Node runs on. */
const TICK_US = 10_000;

/** User and system time of these processes with all their threads, in µs; null when it cannot be read. */
export function cpuMicros(pids: readonly number[]): number | null {
  let ticks = 0;
  for (const pid of pids) {
    const fields = statFields(pid);
    if (fields === null) return null;
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return pids.length === 0 ? null : ticks * TICK_US;
}

/** How long a process has been there, to a hundredth of a second; null when it cannot be read. */
export function secondsSinceStart(pid: number): number | null {
  const fields = statFields(pid);
  if (fields === null) return null;
  const uptime = Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]);
  return uptime - (Number(fields[19]) * TICK_US) / 1e6;
}

/** Resident memory of these processes, in bytes. */
export function residentBytes(pids: readonly number[]): number | null {
  let bytes = 0;
  for (const pid of pids) {
    const fields = statFields(pid);
    if (fields === null) return null;
    bytes += Number(fields[21]) * 4_096;
  }
  return pids.length === 0 ? null : bytes;
}

export interface Memory {
  /** Each page by the number of those who have it: the sum over processes is what they take together. */
  readonly pss: number;
  readonly private: number;
  readonly shared: number;
}

/** In bytes; null when it cannot be read. */
export function memoryOf(pid: number): Memory | null {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
    const sum = (name: string): number =>
      [...text.matchAll(new RegExp(`^${name}: +(\\d+) kB`, 'gm'))].reduce(
        (total, [, kib]) => total + Number(kib) * 1_024,
        0,
      );
    return { pss: sum('Pss'), private: sum('Private_\\w+'), shared: sum('Shared_\\w+') };
  } catch {
    return null;
  }
}

/** The same as `cpuMicros`, with what its children that have ended took. */
export function cpuWithEnded(pids: readonly number[]): number | null {
  const own = cpuMicros(pids);
  if (own === null) return null;
  const ended = pids.map((pid) => statFields(pid)).map((fields) => Number(fields?.[13]) + Number(fields?.[14]));
  return own + ended.reduce((sum, ticks) => sum + ticks, 0) * TICK_US;
}

/** Connections that this machine has accepted so far, over all processes; null when it cannot be read. */
export function acceptedConnections(): number | null {
  return tcpCounter('PassiveOpens');
}

/** Connections that processes of this machine have opened so far; null when it cannot be read. */
export function openedConnections(): number | null {
  return tcpCounter('ActiveOpens');
}

function tcpCounter(name: string): number | null {
  try {
    return snmpCounter(readFileSync('/proc/net/snmp', 'latin1'), name);
  } catch {
    return null;
  }
}

/** A counter of TCP in the text of /proc/net/snmp; null when it has none of that name. */
export function snmpCounter(text: string, name: string): number | null {
  const [names = '', values = ''] = text.split('\n').filter((line) => line.startsWith('Tcp:'));
  const at = names.split(' ').indexOf(name);
  return at === -1 ? null : Number(values.split(' ')[at]);
}

export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => Number(statFields(pid)?.[1]) === parent);
}

/** Pins all threads of running processes; those that they start later inherit it. */
export function pin(pids: readonly number[], cpus: string | null): void {
  if (cpus === null) return;
  for (const pid of pids) execFileSync('taskset', ['-a', '-c', '-p', cpus, String(pid)], { stdio: 'ignore' });
}

/** The fields of /proc/<pid>/stat from `state` on: the program's name in front of them may hold spaces. */
function statFields(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return null;
  }
}
