// The engine of `listen.http`: which one this Node.js has, and the other one where it would have uWebSockets.js.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { findEngine } from '../../src/http/engine.js';
import { copyApp } from './app-copy.js';
import { type ConfigInput, type Daemon, startDaemon } from './daemon.js';

export const ENGINE = await findEngine();

/** One more daemon with the configuration and the store of `daemon`, which has no uWebSockets.js and listens on `listen.http` only. */
export async function startOnNodeHttp(daemon: Pick<Daemon, 'configPath'>, workers: number): Promise<Daemon> {
  const app = copyApp({ withBinary: false });
  try {
    const config = parse(readFileSync(daemon.configPath, 'utf8')) as ConfigInput;
    const listen = { ...config.listen, https: null, compat: null };
    const twin = await startDaemon({ ...config, workers, listen }, { main: app.main });
    return {
      ...twin,
      async [Symbol.asyncDispose]() {
        await twin[Symbol.asyncDispose]();
        app.remove();
      },
    };
  } catch (error) {
    app.remove();
    throw error;
  }
}
