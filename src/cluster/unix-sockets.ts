// The files of `listen.http` where it is a unix socket: one for each worker, because they cannot share one. The primary looks at
// what lies there before the first worker listens, and takes away at the end what its workers made.
import { lstatSync, readFileSync, unlinkSync } from 'node:fs';
import { access, constants, lstat, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import type { Config } from '../config/schema.js';
import { accountId } from '../infra/account-ids.js';
import { AkproxError, explain } from '../infra/errors.js';
import { unixPathOf } from '../infra/unix-address.js';
import { PAUSE, TRIES } from './ports.js';
import { type SocketFile, temporaryName } from './publish-socket.js';

/** `place`: of a worker, from 0. The first has the path of the setting. */
export function socketPath(path: string, place: number): string {
  return place === 0 ? path : `${path}.${place + 1}`;
}

/**
 * Null when `listen.http` is none; rejects with `listen_failed` when somebody answers on one of the paths, or none can be made.
 * `inherited`: paths of the predecessor, which its successor's workers put theirs in the place of.
 */
export async function claimSockets(
  listen: Config['listen'],
  workers: number,
  tries = TRIES,
  inherited: readonly string[] = [],
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
      if (!inherited.includes(path)) await clear(path, tries);
      await clear(temporaryName(path), tries);
    } catch (cause) {
      throw new AkproxError('listen_failed', `listen.http: cannot listen on unix:${path}: ${explain(cause)}`, cause);
    }
  }
  return new UnixSockets(files);
}

export class UnixSockets {
  readonly files: readonly SocketFile[];
  /** By path: which file a worker of ours made. */
  private readonly ours = new Map<string, string>();

  constructor(files: readonly SocketFile[]) {
    this.files = files;
  }

  /** The worker of that place listens. */
  made(place: number): void {
    const path = this.files[place]?.path;
    const identity = path === undefined ? null : identityOf(path);
    if (path !== undefined && identity !== null) this.ours.set(path, identity);
  }

  /** A file that somebody else has put in the place of ours stays. */
  remove(): void {
    for (const [path, identity] of this.ours) {
      if (identityOf(path) !== identity) continue;
      try {
        unlinkSync(path);
      } catch {
        // Left behind, it is what the next start takes away.
      }
    }
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
