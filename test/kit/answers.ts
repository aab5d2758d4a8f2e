import { setTimeout as pause } from 'node:timers/promises';
import type { ProcessGroup } from './process-group.js';

/** True as soon as the URL is answered with 200, false when the server has ended instead. */
export async function answers(url: string, server: ProcessGroup): Promise<boolean> {
  while (server.running()) {
    const ready = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return true;
    await pause(50);
  }
  return false;
}
