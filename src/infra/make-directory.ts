// A directory and those above it. `mkdirSync` with `recursive` never comes back where making one fails with ENOENT though the one above is
// there, as in /proc: a wrong setting would hang the start without a word.
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/** Throws a system error (`code`: `EACCES`, `EROFS`, …); `EEXIST` when there is something else. */
export function makeDirectory(path: string, mode: number): void {
  const absolute = resolve(path);
  const missing: string[] = [];
  for (let at = absolute; !existsSync(at) && at !== dirname(at); at = dirname(at)) missing.unshift(at);
  for (const directory of missing) {
    try {
      mkdirSync(directory, { mode });
    } catch (error) {
      // Another process has made it meanwhile.
      if (!existsSync(directory)) throw error;
    }
  }
  if (!statSync(absolute).isDirectory()) mkdirSync(absolute, { mode });
}
