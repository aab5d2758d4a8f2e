// The ports that the workers share, settled by the primary before it forks the first one. Workers share a port through
// SO_REUSEPORT, which the kernel would also grant to another daemon of the same user, and then deal connections to either.
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import type { Config } from '../config/schema.js';
import { AkproxError, explain } from '../infra/errors.js';
import { hostPortOf } from '../infra/host-port.js';
import { unixPathOf } from '../infra/unix-address.js';
import type { Handover } from './handover.js';
import { isTaken, whyNotListening } from './not-listening.js';

/** The workers of a daemon that was killed need a moment to notice: how often we ask, and after how many milliseconds. */
export const TRIES = 20;
export const PAUSE = 100;

/**
 * `listen` with a port where 0 was asked for; rejects with `listen_failed` when somebody else listens on one of ours. All
 * are held until all are known. What a predecessor listens on is ours.
 */
export async function choosePorts(
  listen: Config['listen'],
  tries = TRIES,
  predecessor: Pick<Handover, 'configured' | 'bound'> | null = null,
): Promise<Config['listen']> {
  const held: Server[] = [];
  try {
    const chosen = { ...listen };
    for (const key of ['http', 'https', 'compat'] as const) {
      const address = listen[key];
      if (address === null || unixPathOf(address) !== null) continue;
      if (predecessor?.configured[key] === address) chosen[key] = predecessor.bound[key];
      if (portOf(chosen[key]) === portOf(predecessor?.bound[key] ?? null)) continue;
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

/** '' where there is none. */
function portOf(address: string | null): string {
  return address === null || unixPathOf(address) !== null ? '' : String(hostPortOf(address).port);
}

/** Binds as one who shares with nobody. */
async function hold(setting: string, address: string, tries: number): Promise<Server> {
  const { host, port } = hostPortOf(address);
  const server = createServer((socket) => socket.destroy());
  try {
    await once(server.listen({ host, port, exclusive: true }), 'listening');
    return server;
  } catch (cause) {
    if (isTaken(cause) && tries > 1) {
      await setTimeout(PAUSE);
      return hold(setting, address, tries - 1);
    }
    const why = whyNotListening(
      cause,
      'the port is taken by another akprox or another program on this host: stop that one, or set another port',
    );
    throw new AkproxError('listen_failed', `${setting}: cannot listen on ${address}: ${why}`, cause);
  }
}

/** For a worker. Rejects with `listen_failed`, which names the setting. `descriptor`: as below, for an engine that can take it. */
export async function listenOn(
  server: { listen(host: string, port: number, descriptor?: number): Promise<void> },
  setting: string,
  address: string,
  descriptor?: number,
): Promise<void> {
  const { host, port } = hostPortOf(address);
  try {
    await server.listen(host, port, descriptor);
  } catch (cause) {
    throw new AkproxError('listen_failed', `${setting}: ${explain(cause)}; is another program on that port?`, cause);
  }
}

/**
 * The same for a server of Node.js: the primary accepts, and deals connections to the workers in turn. `descriptor`: of the primary, which
 * listens on that address already.
 */
export async function listenShared(
  server: Server,
  setting: string,
  address: string,
  descriptor?: number,
): Promise<void> {
  const { host, port } = hostPortOf(address);
  try {
    await once(descriptor === undefined ? server.listen(port, host) : server.listen({ fd: descriptor }), 'listening');
  } catch (cause) {
    throw new AkproxError('listen_failed', `${setting}: cannot listen on ${address}`, cause);
  }
}
