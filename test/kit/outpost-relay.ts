// What stands between a proxy and the outpost in tests of real proxies.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { listenLocally } from './listening.js';

const TLS_APPLICATION_DATA = 0x17;

/** TCP relays in front of the outpost's two listeners: they count connections, and can be taken down. */
export interface Relay {
  readonly port: number;
  /** In front of `listen.https`. */
  readonly securePort: number;
  /** On how many connections checks were asked since the last call. */
  takeConnections(): number;
  /** From now on nothing comes back on the connections that there are, as if the host at their end had lost its power. */
  silence(): void;
  close(): Promise<void>;
}

export async function startRelay(http: number, https: number): Promise<Relay> {
  let checked = new Set<Socket>();
  const upstreams = new Set<Socket>();
  const start = (target: number): ReturnType<typeof listenLocally> => {
    const server: Server = createServer({ noDelay: true }, (client) => {
      const upstream = connect({ port: target, host: '127.0.0.1', noDelay: true });
      upstreams.add(upstream);
      upstream.once('close', () => upstreams.delete(upstream));
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        from.on('error', () => to.destroy());
        from.on('close', () => to.destroy());
        from.pipe(to);
      }
      client.on('data', (chunk: Buffer) => {
        // What is encrypted says nothing: a handshake and a byte more may be a check.
        if (chunk.includes('/akprox/auth/') || chunk[0] === TLS_APPLICATION_DATA) checked.add(client);
      });
    });
    return listenLocally(server);
  };
  const [plain, secure] = await Promise.all([start(http), start(https)]);
  return {
    port: plain.port,
    securePort: secure.port,
    takeConnections: () => {
      const { size } = checked;
      checked = new Set();
      return size;
    },
    silence: () => {
      for (const upstream of upstreams) upstream.unpipe().resume();
    },
    close: async () => {
      await Promise.all([plain.close(), secure.close()]);
    },
  };
}
