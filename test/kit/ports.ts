// Ports for programs that cannot bind port 0 and say which one they got.
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what operating systems hand out by themselves: no `listen(0)` and no outgoing connection takes one in the meantime. */
const FIRST = 15_000;
const COUNT = 17_000;
/** Processes begin far from each other, and none comes back to a port before it has been round. */
let next = (process.pid * 61) % COUNT;

export async function freePort(): Promise<number> {
  for (let tries = 0; tries < COUNT; tries += 1) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
    if (await canBind(port)) return port;
  }
  throw new Error('no port is free');
}

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}

/** On every address: what is bound to one of them is not free. */
async function canBind(port: number): Promise<boolean> {
  const server = createServer();
  const bound = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '0.0.0.0', () => resolve(true));
  });
  if (bound) await once(server.close(), 'close');
  return bound;
}
