// A proxy for what goes out (HTTP_PROXY): tunnels, and plain requests. Whatever host is asked for, it leads to one port of loopback.
import { createServer, request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { type Listening, listenLocally } from './listening.js';

export interface ConnectProxy extends Listening {
  /** Where every connection goes from now on, on the loopback address; refused before that. */
  target: number | undefined;
  /** `user:password` that it asks for. */
  credentials: string | undefined;
  /** `CONNECT host:port`, `GET http://host/path`… of all that it was asked for, refused or not. */
  readonly seen: string[];
}

export async function startConnectProxy(): Promise<ConnectProxy> {
  const mayPass = (authorization: string | undefined): boolean =>
    proxy.credentials === undefined || authorization === `Basic ${Buffer.from(proxy.credentials).toString('base64')}`;
  const server = createServer((req, res) => {
    proxy.seen.push(`${req.method} ${req.url}`);
    const { 'proxy-authorization': authorization, ...headers } = req.headers;
    if (!mayPass(authorization)) {
      res.writeHead(407).end();
      return;
    }
    if (proxy.target === undefined || !URL.canParse(req.url ?? '')) {
      res.writeHead(502).end();
      return;
    }
    const { pathname, search } = new URL(req.url ?? '');
    const options = { host: '127.0.0.1', port: proxy.target, method: req.method, path: pathname + search, headers };
    const upstream = request(options, (answer) => {
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(res);
    });
    upstream.on('error', () => res.destroy());
    req.pipe(upstream);
  });
  server.on('connect', (req, client: Socket, head: Buffer) => {
    proxy.seen.push(`CONNECT ${req.url}`);
    if (proxy.target === undefined || !mayPass(req.headers['proxy-authorization'])) {
      client.end(
        `HTTP/1.1 ${proxy.target === undefined ? '502 Bad Gateway' : '407 Proxy Authentication Required'}\r\n\r\n`,
      );
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
  const proxy: ConnectProxy = {
    ...(await listenLocally(server)),
    target: undefined,
    credentials: undefined,
    seen: [],
  };
  return proxy;
}
