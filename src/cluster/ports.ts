// The ports that the workers share, settled by the primary before it forks the first one. Workers share a port through
// SO_REUSEPORT, which the kernel would also grant to another daemon of the same user, and then deal connections to either.
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { Config } from '../config/schema.js';
import { AkproxError, explain } from '../infra/errors.js';
import { hostPortOf } from '../infra/host-port.js';
import { unixPathOf } from '../infra/unix-address.js';

/** The workers of a daemon that was killed need a moment to notice: how often we ask, and after how many milliseconds. */
export const TRIES = 20;
export const PAUSE = 100;

/**
 * `listen` with a port where 0 was asked for; rejects with `listen_failed` when somebody else listens on one of ours. All
 * are held until all are known. A successor that shall take over the ports of a running daemon must not ask this.
 */
export async function choosePorts(listen: Config['listen'], tries = TRIES): Promise<Config['listen']> {
  const held: Server[] = [];
  try {
    const chosen = { ...listen };
    for (const key of ['http', 'https', 'compat'] as const) {
      const address = listen[key];
      if (address === null || unixPathOf(address) !== null) continue;
      const server = await hold(`listen.${key}`, address, tries);
      held.push(server);
      const bound = server.address();
      if (typeof bound === 'object' && bound !== null) chosen[key] = address.replace(/\d+$/, String(bound.port));
    }
    return chosen;
  } finally {
    await Promise.all(held.map((server) => once(server.close(), 'close')));
  }
}

/** Binds as one who shares with nobody. */
async function hold(setting: string, address: string, tries: number): Promise<Server> {
  const { host, port } = hostPortOf(address);
  const server = createServer((socket) => socket.destroy());
  try {
    await once(server.listen({ host, port, exclusive: true }), 'listening');
    return server;
  } catch (cause) {
    const taken = cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE';
    if (taken && tries > 1) {
      await setTimeout(PAUSE);
      return hold(setting, address, tries - 1);
    }
    const why = taken
      ? 'the port is taken; is another akprox, or another program, running on this host?'
      : explain(cause);
    throw new AkproxError('listen_failed', `${setting}: cannot listen on ${address}: ${why}`, cause);
  }
}

/** For a worker. Rejects with `listen_failed`, which names the setting. */
export async function listenOn(
  server: { listen(host: string, port: number): Promise<void> },
  setting: string,
  address: string,
): Promise<void> {
  const { host, port } = hostPortOf(address);
  try {
    await server.listen(host, port);
  } catch (cause) {
    throw new AkproxError('listen_failed', `${setting}: ${explain(cause)}; is another program on that port?`, cause);
  }
}

/** The same for a server of Node.js: the primary accepts, and deals connections to the workers in turn. */
export async function listenShared(server: Server, setting: string, address: string): Promise<void> {
  const { host, port } = hostPortOf(address);
  try {
    await once(server.listen(port, host), 'listening');
  } catch (cause) {
    throw new AkproxError('listen_failed', `${setting}: cannot listen on ${address}`, cause);
  }
}
