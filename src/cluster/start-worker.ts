// Where a worker begins. It imports next to nothing, so that it can still tell the primary when the rest cannot be loaded.
import type { ToPrimary } from './messages.js';
import { whyUnloadable } from './unloadable.js';

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
      message: `a worker cannot be loaded: ${whyUnloadable(error)}`,
    };
    if (process.send === undefined) throw error;
    process.send(message);
  }
}
