// How a worker listens on a unix socket: under another name first, and in its place once everything about it is right. Whoever
// connects never meets a file that is not there yet or that nobody may open, also when it takes the place of another.
import { chmodSync, chownSync, renameSync } from 'node:fs';
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

/** Rejects with `listen_failed`. */
export async function publishSocket(
  server: { listenUnix(path: string): Promise<void> },
  { path, mode, uid, gid }: SocketFile,
): Promise<void> {
  const name = temporaryName(path);
  let setting = 'listen.http';
  try {
    await server.listenUnix(name);
    // -1 leaves it as it is. Until here nobody but the owner may connect.
    setting = 'listen.socket';
    if (uid !== null || gid !== null) chownSync(name, uid ?? -1, gid ?? -1);
    chmodSync(name, mode);
    setting = 'listen.http';
    renameSync(name, path);
  } catch (cause) {
    throw new AkproxError('listen_failed', `${setting}: cannot listen on unix:${path}: ${explain(cause)}`, cause);
  }
}
