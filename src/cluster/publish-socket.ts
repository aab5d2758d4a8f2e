// How a worker comes to listen on a unix socket: it makes one under another name, and the primary puts that in its place once everything
// about it is right. Whoever connects never meets a file that is not there yet or that nobody may open, also when it takes the place of
// another.
import { chmodSync, chownSync, closeSync, constants, fstatSync, openSync, renameSync } from 'node:fs';
import { AkproxError, explain } from '../infra/errors.js';

/** A unix socket, as a worker shall make it. */
export interface SocketFile {
  readonly path: string;
  readonly mode: number;
  /** Null: as the process has them. */
  readonly uid: number | null;
  readonly gid: number | null;
}

/** uWebSockets.js takes away whatever has this name. */
export function temporaryName(path: string): string {
  return `${path}.new`;
}

/** In the worker. Rejects with `listen_failed`. */
export async function makeSocket(
  server: { listenUnix(path: string): Promise<void> },
  { path, mode, uid, gid }: SocketFile,
): Promise<void> {
  const name = temporaryName(path);
  let setting = 'listen.http';
  try {
    await server.listenUnix(name);
    // Until here nobody but the owner may connect.
    setting = 'listen.socket';
    withSocket(name, (itself) => {
      // -1 leaves it as it is.
      if (uid !== null || gid !== null) chownSync(itself, uid ?? -1, gid ?? -1);
      chmodSync(itself, mode);
    });
  } catch (cause) {
    throw new AkproxError('listen_failed', cannotListen(setting, path, cause), cause);
  }
}

/** Not in node:fs: a descriptor for the file itself, of any kind, that neither reads nor writes. Linux, whichever processor. */
const O_PATH = 0o10000000;

/**
 * By the file itself, for who else may write to the directory (the group of the proxy, say) could put a link in its place meanwhile, and
 * what that leads to would be theirs.
 */
function withSocket(name: string, work: (itself: string) => void): void {
  if (process.platform !== 'linux') {
    work(name);
    return;
  }
  const descriptor = openSync(name, O_PATH | constants.O_NOFOLLOW);
  try {
    if (!fstatSync(descriptor).isSocket()) throw new Error('somebody has put another file in its place');
    work(`/proc/self/fd/${descriptor}`);
  } finally {
    closeSync(descriptor);
  }
}

/** In the primary. Null, or why it cannot be. */
export function publishSocket(path: string): string | null {
  try {
    renameSync(temporaryName(path), path);
    return null;
  } catch (cause) {
    return cannotListen('listen.http', path, cause);
  }
}

function cannotListen(setting: string, path: string, cause: unknown): string {
  return `${setting}: cannot listen on unix:${path}: ${explain(cause)}`;
}
