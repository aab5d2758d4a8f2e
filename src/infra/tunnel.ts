// A connection to a host by way of a proxy (CONNECT, RFC 9110 §9.3.6), for what does not speak through undici.
import type { Duplex } from 'node:stream';

const TIMEOUT = 10_000;

/** Rejects when the proxy does not lead there. `proxy`: its URL, user and password included. */
export async function tunnelTo(host: string, port: string, proxy: string): Promise<Duplex> {
  const { Client } = await import('undici');
  const { origin, username, password } = new URL(proxy);
  const client = new Client(origin);
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authority = `${host}:${port}`;
  const { socket, statusCode } = await client.connect({
    path: authority,
    headers: {
      host: authority,
      ...(username !== '' && { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }),
    },
    signal: AbortSignal.timeout(TIMEOUT),
  });
  if (statusCode === 200) return socket;
  socket.on('error', () => {}).destroy();
  throw new Error(`the proxy answered ${statusCode}`);
}
