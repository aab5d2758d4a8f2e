// A directory that only this user can read, for files that must exist because a library reads paths. With a root file system that
// is read-only, the usual place may be of no use.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The temporary directory, then memory. */
export function usualParents(): readonly string[] {
  return [tmpdir(), '/dev/shm'];
}

/** In the first of `parents` that takes a file; throws with the reason of the last when none does. Mode 0700. */
export function makePrivateDirectory(prefix: string, parents: readonly string[]): string {
  let reason: unknown = new Error('there is no directory to try');
  for (const parent of parents) {
    let directory: string | null = null;
    try {
      directory = mkdtempSync(join(parent, prefix));
      // A full disk has room for a directory.
      const probe = join(directory, 'probe');
      writeFileSync(probe, 'probe');
      rmSync(probe);
      return directory;
    } catch (error) {
      reason = error;
      if (directory !== null) rmSync(directory, { recursive: true, force: true });
    }
  }
  throw reason;
}
