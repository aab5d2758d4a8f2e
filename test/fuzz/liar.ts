// A proxy in front of a listener that lies: it changes some answers on their way. What an oracle is worth shows when it is lied to.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface Liar {
  readonly url: string;
  /** Whether the lie was told. */
  readonly told: boolean;
  close(): Promise<void>;
}

/** What becomes of some bytes of answers; null: nothing in them to lie about; '': this connection says no more. */
export type Lie = (text: string) => string | null;

/** `most`: how often it lies. Which answers those are depends on the load, and there are some of which nobody can say anything. */
export async function startLiar(target: string, lie: Lie, most: number): Promise<Liar> {
  const port = Number(new URL(target).port);
  const sockets = new Set<Socket>();
  let lies = 0;
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    let mute = false;
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        if (!mute) other.destroySoon();
      });
    }
    client.on('data', (bytes) => upstream.write(bytes));
    client.on('end', () => upstream.end());
    upstream.on('end', () => mute || client.end());
    upstream.on('data', (bytes: Buffer) => {
      if (mute) return;
      const changed = lies >= most ? null : lie(bytes.toString('latin1'));
      if (changed === null) {
        client.write(bytes);
        return;
      }
      lies += 1;
      mute = changed === '';
      if (!mute) client.write(Buffer.from(changed, 'latin1'));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    get told() {
      return lies > 0;
    },
    close: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
