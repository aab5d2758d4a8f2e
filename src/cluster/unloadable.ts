// Why the code of a worker cannot be loaded: files that are missing or damaged, machine code that does not run here. Imports next to
// nothing, so that this much can be said when the rest cannot be loaded.
import { explain } from '../infra/errors.js';

/** Of an error that came of loading code: what happened and what to do about it, in one line. */
export function whyUnloadable(error: unknown): string {
  const text = explain(error).replace(/\s+/g, ' ');
  if (codeOf(error) === 'ERR_DLOPEN_FAILED') {
    const { version, platform, arch } = process;
    return `a native module has no binary for this system (Node.js ${version}, ${platform} ${arch}), or a damaged one: use Node.js 20, 22 or 24 and install the packages on this system (npm ci); ${text}`;
  }
  return `${text}${placeOf(error)}; its files are incomplete or damaged: install akprox again`;
}

/** Whether an error came of loading code. */
export function isUnloadable(error: unknown): boolean {
  const codes: readonly unknown[] = ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND', 'ERR_DLOPEN_FAILED'];
  return codes.includes(codeOf(error)) || (error instanceof SyntaxError && !/at JSON\.parse/.test(error.stack ?? ''));
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** V8 writes the place of a syntax error above the message, and nowhere else. */
function placeOf(error: unknown): string {
  const [place = ''] = (error instanceof SyntaxError && /^\S+:\d+$/m.exec(error.stack ?? '')) || [];
  return place === '' ? '' : ` (${place})`;
}
