// The files of `listen.http` where it is a unix socket: one for each worker, because they cannot share one. The primary looks at
// what lies there before the first worker listens, puts what its workers made in its place, and takes it away at the end. A successor does
// so as the last thing before it serves: what has been taken out of its place leads nobody to the predecessor any more.
import { lstatSync, readFileSync, unlinkSync } from 'node:fs';
import { access, constants, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Config } from '../config/schema.js';
import { accountId } from '../infra/account-ids.js';
import { AkproxError, explain } from '../infra/errors.js';
import { unixPathOf } from '../infra/unix-address.js';
import type { Handover } from './handover.js';
import { PAUSE, TRIES } from './ports.js';
import { publishSocket, type SocketFile, temporaryName } from './publish-socket.js';

/** `place`: of a worker, from 0. The first has the path of the setting. */
export function socketPath(path: string, place: number): string {
  return place === 0 ? path : `${path}.${place + 1}`;
}

/**
 * Null when `listen.http` is none; rejects with `listen_failed` when somebody answers on one of the paths, or none can be made.
 * `predecessor`: whose sockets those of this daemon take the place of, and not before it is told to `publish`.
 */
export async function claimSockets(
  listen: Config['listen'],
  workers: number,
  tries = TRIES,
  predecessor: Pick<Handover, 'sockets'> | null = null,
): Promise<UnixSockets | null> {
  const first = listen.http === null ? null : unixPathOf(listen.http);
  if (first === null) return null;
  const { mode, user, group } = listen.socket;
  const facts = {
    mode: Number.parseInt(mode, 8),
    uid: idOf('user', '/etc/passwd', user),
    gid: idOf('group', '/etc/group', group),
  };
  const files = Array.from({ length: workers }, (_, place) => ({ path: socketPath(first, place), ...facts }));
  for (const { path } of files) {
    try {
      await access(dirname(path), constants.W_OK | constants.X_OK);
      if (predecessor?.sockets.includes(path) !== true) await clear(path, tries);
      await clear(temporaryName(path), tries);
    } catch (cause) {
      throw new AkproxError('listen_failed', `listen.http: cannot listen on unix:${path}: ${explain(cause)}`, cause);
    }
  }
  return new UnixSockets(files, predecessor === null);
}

export class UnixSockets {
  readonly files: readonly SocketFile[];
  /** By path: which file a worker of ours made. */
  private readonly ours = new Map<string, string>();
  /** Paths whose workers listen, under another name as yet. */
  private readonly waiting = new Set<string>();
  private isPublic: boolean;

  constructor(files: readonly SocketFile[], isPublic: boolean) {
    this.files = files;
    this.isPublic = isPublic;
  }

  /** The worker of that place listens. Null, or why nobody can connect to it. */
  made(place: number): string | null {
    const path = this.files[place]?.path;
    if (path === undefined) return null;
    if (this.isPublic) return this.put(path);
    this.waiting.add(path);
    return null;
  }

  /** From now on this daemon is the one that is asked. Throws `listen_failed`. */
  publish(): void {
    this.isPublic = true;
    for (const path of this.waiting) {
      const problem = this.put(path);
      if (problem !== null) throw new AkproxError('listen_failed', problem);
    }
  }

  private put(path: string): string | null {
    const identity = identityOf(temporaryName(path));
    const problem = publishSocket(path);
    if (problem !== null) return problem;
    this.waiting.delete(path);
    if (identity !== null) this.ours.set(path, identity);
    return null;
  }

  /** A file that somebody else has put in the place of ours stays. */
  remove(): void {
    for (const path of this.waiting) takeAway(temporaryName(path));
    for (const [path, identity] of this.ours) if (identityOf(path) === identity) takeAway(path);
  }
}

function takeAway(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Left behind, it is what the next start takes away.
  }
}

export function identityOf(path: string): string | null {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined ? null : `${found.dev}:${found.ino}`;
}

function idOf(key: 'user' | 'group', file: string, written: string | number | undefined): number | null {
  if (written === undefined || typeof written === 'number') return written ?? null;
  const id = accountId(readFileSync(file, 'utf8'), written);
  if (id !== null) return id;
  throw new AkproxError('listen_failed', `listen.socket.${key}: ${file} has no ${key} ${JSON.stringify(written)}`);
}

/** Takes away a socket on which nobody answers. The workers of a daemon that was killed need a moment to notice. */
async function clear(path: string, tries: number): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found === null) return;
  if (!found.isSocket()) throw new Error('what is there is no socket');
  if (!(await answers(path))) {
    await unlink(path);
  } else if (tries > 1) {
    await setTimeout(PAUSE);
    await clear(path, tries - 1);
  } else throw new Error('somebody answers there; is another akprox running on this host?');
}

/** Rejects when that cannot be known. */
export function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') resolve(false);
      // So many are waiting there that nobody more may.
      else if (error.code === 'EAGAIN') resolve(true);
      else reject(error);
    });
  });
}
