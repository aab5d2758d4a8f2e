// What `listen.http` is served by, which the workers know.
import type { Logger } from 'pino';
import type { Engine } from '../http/engine.js';

export class ServedEngine {
  /** Null as long as no worker has been ready. */
  current: Engine | null = null;
  private readonly log: Pick<Logger, 'warn'>;

  constructor(log: Pick<Logger, 'warn'>) {
    this.log = log;
  }

  /** All workers have the same. `isAsked`: whether there is a `listen.http`. */
  learn(engine: Engine, isAsked: boolean): void {
    const isNews = this.current === null;
    this.current = engine;
    if (!isNews || engine !== 'node:http' || !isAsked) return;
    this.log.warn(
      { node: process.version, platform: process.platform, arch: process.arch },
      'listen.http is served by node:http, because uWebSockets.js has no binary for this system: the answers are the same, a check costs more. Node.js 20 and 22 have one, on Linux with glibc',
    );
  }
}
