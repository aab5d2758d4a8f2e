// Where a worker begins. It imports next to nothing, so that it can still tell the primary when the rest cannot be loaded: no
// binary of uWebSockets.js for this Node.js or this libc, files that are missing or damaged.
import { explain } from '../infra/errors.js';
import type { ToPrimary } from './messages.js';

export async function startWorker(): Promise<void> {
  try {
    const { runWorker } = await import('./worker-process.js');
    await runWorker();
  } catch (error) {
    // The primary ends this process once it has read why; without a primary there is nobody to wait for.
    process.on('disconnect', () => process.exit(1));
    process.on('message', () => {});
    const message: ToPrimary = {
      type: 'failed',
      code: 'worker_unusable',
      message: `a worker cannot be loaded: ${reason(error)}`,
    };
    if (process.send === undefined) throw error;
    process.send(message);
  }
}

/** What happened and what to do about it, in one line. */
export function reason(error: unknown): string {
  const text = explain(error).replace(/\s+/g, ' ');
  if (/uWS|uWebSockets|\buws_/.test(text) || codeOf(error) === 'ERR_DLOPEN_FAILED') {
    const { version, platform, arch } = process;
    return `uWebSockets.js or another native module has no binary for this system (Node.js ${version}, ${platform} ${arch}): use Node.js 20 or 22 on a Linux with glibc, such as Debian, not one with musl, such as Alpine, and install the packages there (npm ci); ${text}`;
  }
  return `${text}${placeOf(error)}; its files are incomplete or damaged: install akprox again`;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

/** V8 writes the place of a syntax error above the message, and nowhere else. */
function placeOf(error: unknown): string {
  const [place = ''] = (error instanceof SyntaxError && /^\S+:\d+$/m.exec(error.stack ?? '')) || [];
  return place === '' ? '' : ` (${place})`;
}
