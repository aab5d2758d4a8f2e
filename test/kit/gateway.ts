import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { hostname } from 'node:os';
import { pipeline } from 'node:stream';
import { listenLocally } from './listening.js';

/** `authResponseHeaders`: what the application may learn from the outpost and from nobody else. */
export const IDENTITY_HEADERS = [
  'X-Auth-Username',
  'X-Auth-Groups',
  'X-Forwarded-Email',
  'X-Forwarded-Preferred-Username',
  'X-Forwarded-User',
  'X-authentik-username',
  'X-authentik-groups',
  'X-authentik-entitlements',
  'X-authentik-email',
  'X-authentik-name',
  'X-authentik-uid',
  'X-authentik-jwt',
  'X-authentik-meta-jwks',
  'X-authentik-meta-outpost',
  'X-authentik-meta-provider',
  'X-authentik-meta-app',
  'X-authentik-meta-version',
  'X-Akprox-Assertion',
] as const;

export const OUTPOST_PREFIXES = ['/akprox/', '/outpost.goauthentik.io/'] as const;

export interface GatewayOptions {
  /** 0: any free one. */
  readonly port: number;
  /** Origin of the outpost; a function where it is known later than the gateway. */
  readonly outpost: string | (() => string);
  /** Origin of the application. */
  readonly backend: string;
  /** The only host that is served, without its port; otherwise all are. */
  readonly host?: string;
  /** Whether the outpost's paths go to it directly; otherwise they are asked about like any other. */
  readonly routeOutpostPaths: boolean;
}

export interface Gateway {
  readonly port: number;
  close(): Promise<void>;
}

type Lines = (readonly [name: string, value: string])[];

interface AuthAnswer {
  readonly status: number;
  readonly reason: string;
  readonly lines: Lines;
  readonly body: Buffer;
}

const AUTH_TIMEOUT = 30_000;
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'te', 'trailer', 'trailers', 'transfer-encoding', 'upgrade']);
const IDENTITY = new Set(IDENTITY_HEADERS.map((name) => name.toLowerCase()));
/** What Traefik's entry point takes from a peer that it does not trust. */
const MANAGED = new Set([
  ...['for', 'proto', 'host', 'port', 'scheme', 'server', 'uri', 'method', 'prefix'].map((end) => `x-forwarded-${end}`),
  'x-forwarded-tls-client-cert',
  'x-forwarded-tls-client-cert-info',
  'x-scheme',
  'x-real-ip',
]);

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const agent = new Agent({ keepAlive: true });
  const outpost = (): string => (typeof options.outpost === 'string' ? options.outpost : options.outpost());
  let port = options.port;

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = req.url ?? '';
    // OPTIONS *, proxy requests and fragments have no business here.
    if (!path.startsWith('/') || path.includes('#')) return refuse(res, 400);
    if (options.host !== undefined && req.headers.host?.replace(/:\d+$/, '') !== options.host) return refuse(res, 404);
    const client = withoutHopByHop(linesOf(req.rawHeaders)).filter(([name]) => !MANAGED.has(unaliased(name)));
    const forwarded = forwardedLines(req, port);
    // The check is ours to ask, not a page's.
    if (OUTPOST_PREFIXES.some((prefix) => path.startsWith(`${prefix}auth`))) return refuse(res, 404);
    if (options.routeOutpostPaths && OUTPOST_PREFIXES.some((prefix) => path.startsWith(prefix))) {
      return passOn(outpost(), [...client, ...forwarded], req, res);
    }
    const auth = await ask(path, client, forwarded, req, res);
    if (auth === null) return;
    if (auth.status < 200 || auth.status > 299) return relay(auth, req, res);
    const identity = auth.lines.filter(([name]) => IDENTITY.has(name.toLowerCase()));
    const harmless = client.filter(([name]) => !IDENTITY.has(unaliased(name)));
    passOn(options.backend, [...harmless, ...forwarded, ...identity], req, res);
  }

  /** Null when the client has been answered already, or has gone. */
  async function ask(
    path: string,
    client: Lines,
    forwarded: Lines,
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<AuthAnswer | null> {
    const url = new URL('/akprox/auth/traefik', outpost());
    const lines: Lines = [
      ['Host', url.host],
      ...client.filter(([name]) => !['host', 'content-length'].includes(name.toLowerCase())),
      ...forwarded,
      ['X-Forwarded-Method', req.method ?? 'GET'],
      ['X-Forwarded-Uri', path],
    ];
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    try {
      return await getWhole(url, lines, agent, gone.signal);
    } catch {
      if (!gone.signal.aborted) refuse(res, 500);
      return null;
    }
  }

  /** Relays a denial whole; only a relative Location is made absolute, against the outpost, as Traefik does. */
  function relay(auth: AuthAnswer, req: IncomingMessage, res: ServerResponse): void {
    const lines = withoutHopByHop(auth.lines).map(([name, value]) =>
      name.toLowerCase() === 'location' ? ([name, new URL(value, outpost()).href] as const) : ([name, value] as const),
    );
    req.resume();
    res.writeHead(auth.status, auth.reason, lines.flat());
    res.end(auth.body);
  }

  function passOn(origin: string, lines: Lines, req: IncomingMessage, res: ServerResponse): void {
    const upstream = httpRequest(new URL(origin), {
      method: req.method,
      path: req.url,
      agent,
      headers: [...lines, ...framing(req, lines)].flat(),
    });
    upstream.on('response', (answered) => {
      res.writeHead(
        answered.statusCode ?? 502,
        answered.statusMessage,
        withoutHopByHop(linesOf(answered.rawHeaders)).flat(),
      );
      pipeline(answered, res, () => {});
    });
    upstream.on('error', () => (res.headersSent ? res.destroy() : refuse(res, 502)));
    res.once('close', () => upstream.destroy());
    req.pipe(upstream);
  }

  const server = createServer({ maxHeaderSize: 65_536 }, (req, res) => {
    answer(req, res).catch(() => (res.headersSent ? res.destroy() : refuse(res, 500)));
  });
  server.keepAliveTimeout = 0; // as in idp.ts
  const listening = await listenLocally(server, options.port);
  port = listening.port;
  return {
    port,
    close: async () => {
      agent.destroy();
      await listening.close();
    },
  };
}

/** One GET with its whole answer. Like Go, it is sent again when a kept connection turns out to be dead. */
function getWhole(url: URL, lines: Lines, agent: Agent, signal: AbortSignal): Promise<AuthAnswer> {
  return new Promise((resolve, reject) => {
    const req = httpRequest(url, { agent, signal, headers: lines.flat(), timeout: AUTH_TIMEOUT });
    req.on('timeout', () => req.destroy(new Error('the outpost did not answer')));
    req.on('error', (error: NodeJS.ErrnoException) => {
      if (req.reusedSocket && error.code === 'ECONNRESET') resolve(getWhole(url, lines, agent, signal));
      else reject(error);
    });
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 500,
          reason: res.statusMessage ?? '',
          lines: linesOf(res.rawHeaders),
          body: Buffer.concat(chunks),
        }),
      );
    });
    req.end();
  });
}

function forwardedLines(req: IncomingMessage, port: number): Lines {
  const peer = req.socket.remoteAddress ?? '';
  return [
    ['X-Forwarded-For', peer],
    ['X-Forwarded-Host', req.headers.host ?? ''],
    ['X-Forwarded-Port', String(port)],
    ['X-Forwarded-Proto', 'http'],
    ['X-Forwarded-Server', hostname()],
    ['X-Real-Ip', peer],
  ];
}

function linesOf(raw: readonly string[]): Lines {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1] ?? ''] as const] : []));
}

function withoutHopByHop(lines: Lines): Lines {
  const listed = lines
    .filter(([name]) => name.toLowerCase() === 'connection')
    .flatMap(([, value]) => value.split(',').map((token) => token.trim().toLowerCase()));
  return lines.filter(([name]) => !HOP_BY_HOP.has(name.toLowerCase()) && !listed.includes(name.toLowerCase()));
}

/** Applications that go through CGI cannot tell `X_Auth.Username` or `X~Auth!Username` from `X-Auth-Username`. */
function unaliased(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9-]/g, '-');
}

/** How long the body is, where the client's own Content-Length does not say it. */
function framing(req: IncomingMessage, lines: Lines): Lines {
  if (req.headers['transfer-encoding'] !== undefined) return [['Transfer-Encoding', 'chunked']];
  if (lines.some(([name]) => name.toLowerCase() === 'content-length')) return [];
  return ['POST', 'PUT', 'PATCH'].includes(req.method ?? '') ? [['Content-Length', '0']] : [];
}

function refuse(res: ServerResponse, status: number): void {
  res.writeHead(status, { 'Content-Length': 0 });
  res.end();
}
