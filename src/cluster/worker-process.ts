// The process around a worker: its signals, its end, and the messages that come before it can deal with them.
import { AkproxError, explain } from '../infra/errors.js';
import { growAsNeeded } from '../infra/heap.js';
import type { Instruction, ToPrimary, ToWorker, WorkerSetup } from './messages.js';
import { isUnloadable, whyUnloadable } from './unloadable.js';
import { createWorker, type Worker } from './worker.js';

export async function runWorker(): Promise<void> {
  const exit = (): never => process.exit(1);
  // Without its primary a worker receives no revocation: it must not go on.
  process.on('disconnect', exit);
  // The primary decides when to stop; a Ctrl-C reaches the whole process group.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => {});
  process.on('SIGHUP', () => {});
  process.on('SIGUSR1', () => {});
  process.on('SIGUSR2', () => {});
  let worker: Worker | null = null;
  /** What came while it was still being set up. */
  const early: Instruction[] = [];
  let allow = (): void => {};
  const allowed = new Promise<void>((resolve) => {
    allow = resolve;
  });

  function hear(created: Worker): void {
    worker = created;
    for (const missed of early.splice(0)) created.receive(missed);
  }

  async function begin(setup: WorkerSetup): Promise<void> {
    const created = await createWorker(setup, send);
    if (setup.waits) {
      hear(created);
      send({ type: 'prepared' });
      await allowed;
      worker = null;
    }
    await created.listen(setup);
    process.on('uncaughtException', (error) => created.reportUnexpected(error));
    process.on('unhandledRejection', (error) => created.reportUnexpected(error));
    hear(created);
    growAsNeeded();
    send({ type: 'ready', engine: created.engine });
  }

  process.on('message', (message: ToWorker) => {
    if (message.type === 'setup') {
      begin(message.setup).catch((error: unknown) => {
        if (error instanceof AkproxError) send({ type: 'failed', code: error.code, message: explain(error) });
        // Some of the code is loaded when the configuration asks for it.
        else if (isUnloadable(error)) send({ type: 'failed', code: 'worker_unusable', message: whyUnloadable(error) });
        else send({ type: 'failed', code: 'internal', message: explain(error) });
      });
    } else if (message.type === 'listen') allow();
    else if (worker !== null) worker.receive(message);
    else if (message.type === 'drain') process.exit(0);
    else early.push(message);
  });
  send({ type: 'hello' });
}

function send(message: ToPrimary): void {
  process.send?.(message);
}
