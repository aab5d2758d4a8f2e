// A TCP proxy that behaves badly on command: silent (half-open), slow, or cutting an answer in the middle.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface TcpProxy {
  readonly port: number;
  /** While true, bytes go nowhere, and nobody is told: what a firewall that forgot a connection does. */
  silent: boolean;
  /** Every answer comes this much later. */
  delayMs: number;
  /** When set, the next answer is cut after so many bytes and the connection with it; then unset. */
  cutAfter: number | null;
  /** When set, the answer to the next request that has this text in it (in any letters) is cut whole; then unset. */
  cutAnswerTo: string | null;
  connections(): number;
  stop(): Promise<void>;
}

export async function startProxy(targetPort: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let clients = 0;
  const server = createServer((client) => {
    const target = connect(targetPort, '127.0.0.1');
    clients += 1;
    client.once('close', () => {
      clients -= 1;
    });
    // A delay that changes must not put a later answer in front of an earlier one: TCP never does. Nor does an end overtake an answer.
    const late: { readonly due: number; readonly bytes: Buffer }[] = [];
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        if (!proxy.silent && (other === target || late.length === 0)) other.destroy();
      });
    }
    client.on('data', (bytes) => {
      if (proxy.silent) return;
      if (proxy.cutAnswerTo !== null && bytes.toString('latin1').toUpperCase().includes(proxy.cutAnswerTo)) {
        proxy.cutAnswerTo = null;
        proxy.cutAfter = 0;
      }
      target.write(bytes);
    });
    const flush = (): void => {
      while (late[0] !== undefined && late[0].due <= performance.now())
        client.write((late.shift() as { bytes: Buffer }).bytes);
      if (late[0] !== undefined) setTimeout(flush, Math.ceil(late[0].due - performance.now()));
      else if (target.destroyed) client.destroySoon();
    };
    target.on('data', (bytes) => {
      if (proxy.silent) return;
      if (proxy.cutAfter !== null) {
        client.write(bytes.subarray(0, proxy.cutAfter), () => client.destroy());
        proxy.cutAfter = null;
      } else if (proxy.delayMs > 0 || late.length > 0) {
        late.push({ due: performance.now() + proxy.delayMs, bytes });
        if (late.length === 1) setTimeout(flush, proxy.delayMs);
      } else client.write(bytes);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const proxy: TcpProxy = {
    port: address.port,
    silent: false,
    delayMs: 0,
    cutAfter: null,
    cutAnswerTo: null,
    connections: () => clients,
    stop: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
  return proxy;
}
