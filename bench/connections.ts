// Whose connections are these? From /proc, so Linux only.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** Established, or nearly: the client has its connection, and the kernel has yet to hand it to somebody. */
const STATES = new Set(['01', '03']);

export interface Owned {
  /** Ports of the other ends of the connections that the process has. */
  readonly own: ReadonlySet<number>;
  /** Of connections that the kernel has accepted and no process yet. */
  readonly queued: ReadonlySet<number>;
}

/** Connections to a local port, as the process `pid` has them at this moment. */
export function connectionsOf(pid: number, localPort: number): Owned {
  const inodes = new Set<string>();
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // Closed while we were looking.
    }
  }
  const own = new Set<number>();
  const queued = new Set<number>();
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [, local = '', remote = '', state] = fields;
    if (!STATES.has(state ?? '') || portOf(local) !== localPort) continue;
    const inode = fields[9] ?? '';
    if (inodes.has(inode)) own.add(portOf(remote));
    else if (inode === '0') queued.add(portOf(remote));
  }
  return { own, queued };
}

/** Resolves when the kernel says that the process has stopped: after SIGSTOP nothing of it changes any more. */
export async function stopped(pid: number): Promise<void> {
  while (stateOf(pid) !== 'T') await new Promise(setImmediate);
}

/** Resolves when all that the process had open is closed: it has been waited for, and so its last thread is gone. */
export async function gone(pid: number): Promise<void> {
  while (stateOf(pid) !== '') await new Promise(setImmediate);
}

/** A letter of proc(5); '' when there is no such process. */
function stateOf(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text[text.lastIndexOf(')') + 2] ?? '';
  } catch {
    return '';
  }
}

function portOf(address: string): number {
  return Number.parseInt(address.slice(address.indexOf(':') + 1), 16);
}
