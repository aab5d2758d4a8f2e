// Where the control socket of a daemon is: the commands find it by the configuration alone.
import { createHash } from 'node:crypto';
import { accessSync, constants, lstatSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { DaemonPlace } from '../config/load.js';

/** What a service manager makes for us (RuntimeDirectory= of systemd). */
const RUNTIME_DIRECTORY = '/run/akprox';
/** The name of a socket is a field of so many bytes, with its end, and first it has `.new` behind it. */
const LONGEST = 107 - '.new'.length;

/**
 * In the folder of the embedded store. With Redis: in /run/akprox where that can be written, else in a folder of this user's below the
 * temporary one; named after the file of the configuration, for there may be several daemons. `file`: its absolute path, null without one.
 */
export function controlPath(
  { store, listen }: Pick<DaemonPlace, 'store' | 'listen'>,
  file: string | null,
  cwd: string,
): string {
  if (store.kind === 'embedded') return join(resolve(cwd, store.path), 'control.sock');
  const name = createHash('sha256')
    .update(file ?? JSON.stringify(listen))
    .digest('hex')
    .slice(0, 12);
  return join(isWritable(RUNTIME_DIRECTORY) ? RUNTIME_DIRECTORY : ownDirectory(), `control-${name}.sock`);
}

export function ownDirectory(): string {
  return join(tmpdir(), `akprox-${process.getuid?.() ?? 0}`);
}

/**
 * Why somebody else may have made what is in `directory`; null when that cannot be. In the temporary one anybody can be the first to have
 * our name: a daemon makes no socket there, and no command believes one.
 */
export function notOurs(directory: string): string | null {
  if (directory !== ownDirectory()) return null;
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (found === undefined) return null;
  const isOurs = found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
  return isOurs ? null : `${directory} is not a folder of this user's alone`;
}

export function isTooLong(path: string): boolean {
  return Buffer.byteLength(path) > LONGEST;
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
