import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type Listening, listenLocally } from './listening.js';

export interface ConnectProxy extends Listening {
  /** Where every connection goes from now on, on the loopback address; refused before that. */
  target: number | undefined;
}

export async function startConnectProxy(): Promise<ConnectProxy> {
  const server = createServer((_, res) => res.writeHead(405).end());
  server.on('connect', (_, client: Socket, head: Buffer) => {
    if (proxy.target === undefined) {
      client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
      return;
    }
    const upstream = connect({ host: '127.0.0.1', port: proxy.target });
    upstream.on('connect', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  const proxy: ConnectProxy = { ...(await listenLocally(server)), target: undefined };
  return proxy;
}
