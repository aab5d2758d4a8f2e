// A stand-in for authentik core, for the tests and the demo: the API of an outpost with its pages and its token, the
// websocket, and OpenID Connect by a real oidc-provider. It does what it is told: fails, lags, talks nonsense, pushes.
import { once } from 'node:events';
import {
  createServer as createHttp,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Idp, type IdpAlg, type IdpOptions, startIdp } from './idp.js';

export interface FakeProvider {
  readonly name: string;
  readonly external_host: string;
  /** Every other field of `ProxyOutpostConfig`, over the defaults; `undefined` leaves one out. */
  readonly [field: string]: unknown;
}

export interface FakeCertificate {
  readonly fingerprint: string;
  readonly certificate: string;
  readonly privateKey: string;
}

export interface FakeCoreOptions {
  readonly port?: number;
  /** What it listens on. */
  readonly listen?: string;
  /** Host name in `url`. */
  readonly host?: string;
  /** Where authentik is installed below the host: '/auth'. For the API and the websocket. */
  readonly basePath?: string;
  /** PEM; https then. */
  readonly tls?: { readonly key: string; readonly cert: string };
  readonly token?: string;
  readonly accounts: IdpOptions['accounts'];
  readonly alg?: IdpAlg;
  readonly ttl?: IdpOptions['ttl'];
  readonly providers?: readonly FakeProvider[];
  /** `outposts/instances/`, over the defaults. */
  readonly instance?: Readonly<Record<string, unknown>>;
  /** Results on a page, whatever `page_size` asks for: core has an upper bound too. */
  readonly pageSize?: number;
}

/** What happens to requests whose path fits; everything by default. */
export interface Fault {
  readonly path?: RegExp;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Breaks the connection instead. */
  readonly broken?: boolean;
}

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface Frame {
  readonly instruction: number;
  readonly args: Record<string, unknown>;
}

export interface FakeCore {
  /** What AUTHENTIK_HOST is set to. */
  readonly url: string;
  readonly port: number;
  readonly token: string;
  readonly outpostPk: string;
  readonly requests: readonly SeenRequest[];
  readonly events: readonly Record<string, unknown>[];
  /** What outposts have sent over the websocket. */
  readonly frames: readonly Frame[];
  /** Handshakes that were let in, with their headers. */
  readonly handshakes: readonly SeenRequest[];
  /** Codes that connections ended with. */
  readonly closes: readonly number[];
  connections(): number;
  /** Changes what the API says. Outposts hear of it with `trigger`. */
  setProviders(providers: readonly FakeProvider[]): Promise<void>;
  setInstance(fields: Readonly<Record<string, unknown>>): void;
  setCertificate(uuid: string, certificate: FakeCertificate | null): void;
  /** The former token is refused from now on. */
  setToken(token: string): void;
  /** The token counts as a user's: it sees no outpost. */
  setTokenKind(kind: 'outpost' | 'user'): void;
  trigger(): void;
  endSession(sid: string, how?: 'session_end' | 'provider_specific'): void;
  /** Any text, to every outpost. */
  say(text: string): void;
  fail(fault: Fault | null): void;
  /** Requests below `/api/` wait until the result is called. */
  hold(): () => void;
  dropConnections(): void;
  /** Resolves as soon as `test` holds; it is asked after everything that happens here. */
  until(test: () => boolean): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

const PK = '5f1b3c1e-3f0e-4c56-9a55-2f4d1d1f0a01';

/** authentik's endpoints → those of oidc-provider. */
const OIDC_PATHS: readonly [RegExp, string][] = [
  [/^\/application\/o\/authorize\/?$/, '/auth'],
  [/^\/application\/o\/token\/?$/, '/token'],
  [/^\/application\/o\/userinfo\/?$/, '/me'],
  [/^\/application\/o\/introspect\/?$/, '/token/introspection'],
  [/^\/application\/o\/[^/]+\/end-session\/?$/, '/session/end'],
];

export async function startFakeCore(options: FakeCoreOptions): Promise<FakeCore> {
  const server = options.tls ? createHttps(options.tls) : createHttp();
  server.keepAliveTimeout = 0; // as in idp.ts
  server.listen(options.port ?? 0, options.listen ?? '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const proto = options.tls ? 'https' : 'http';
  // What core uses for a provider without a signing key.
  const alg = options.alg ?? 'HS256';
  const basePath = options.basePath ?? '';
  const url = `${proto}://${options.host ?? '127.0.0.1'}:${port}${basePath}`;

  let token = options.token ?? 'outpost-token-0123456789';
  let tokenKind: 'outpost' | 'user' = 'outpost';
  let providers: Record<string, unknown>[] = [];
  let fault: Fault | null = null;
  let held: Promise<void> | null = null;
  let instance: Record<string, unknown> = {
    pk: PK,
    name: 'fake outpost',
    type: 'proxy',
    providers: [],
    providers_obj: [],
    service_connection: null,
    service_connection_obj: null,
    refresh_interval_s: 300,
    token_identifier: 'ak-outpost-api',
    managed: null,
    config: { authentik_host: url, authentik_host_insecure: false, authentik_host_browser: '', log_level: 'info' },
    ...options.instance,
  };
  const initialToken = token;
  const certificates = new Map<string, FakeCertificate>();
  const requests: SeenRequest[] = [];
  const events: Record<string, unknown>[] = [];
  const frames: Frame[] = [];
  const handshakes: SeenRequest[] = [];
  const closes: number[] = [];
  const waiting = new Set<{ test: () => boolean; done: () => void }>();
  const changed = (): void => {
    for (const one of [...waiting]) {
      if (!one.test()) continue;
      waiting.delete(one);
      one.done();
    }
  };

  // One provider for each name that core is called by: core writes that name into `iss`.
  const clients: IdpOptions['clients'][number][] = [];
  const idps = new Map<string, Promise<Idp>>();
  function idpOf(origin: string): Promise<Idp> {
    let idp = idps.get(origin);
    if (idp === undefined) {
      idp = startIdp({
        issuer: `${origin}/`,
        clients,
        accounts: options.accounts,
        alg,
        ...(options.ttl && { ttl: options.ttl }),
      });
      idps.set(origin, idp);
    }
    return idp;
  }

  async function setProviders(given: readonly FakeProvider[]): Promise<void> {
    providers = given.map((one, index) => withDefaults(one, index + 1));
    clients.length = 0;
    for (const provider of providers) {
      const client = clientOf(provider);
      if (client !== null && !clients.some((other) => other.client_id === client.client_id)) clients.push(client);
    }
    for (const idp of await Promise.all(idps.values())) {
      const { adapter } = idp.provider.Client as unknown as ClientClass;
      for (const client of clients) await adapter.upsert(client.client_id, client);
    }
  }

  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    serve(req, res)
      .catch((error: unknown) => {
        if (!res.headersSent) res.writeHead(500, { 'Content-Type': 'text/plain' });
        res.end(String(error));
      })
      .finally(changed);
  });

  async function serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const path = req.url ?? '/';
    requests.push({ method: req.method ?? '', path, headers: req.headers });
    changed();
    if (fault !== null && (fault.path === undefined || fault.path.test(path))) {
      if (fault.broken) return void req.socket.destroy();
      res.writeHead(fault.status ?? 500, { 'Content-Type': 'text/plain', ...fault.headers });
      return void res.end(fault.body ?? 'told to fail');
    }
    if (path.startsWith(`${basePath}/api/v3/`)) return api(req, res, path.slice(`${basePath}/api/v3`.length));
    return openid(req, res, path);
  }

  async function api(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
    if (held !== null) await held;
    const { pathname, searchParams } = new URL(path, 'http://core');
    const body = await textOf(req);
    const answer = (status: number, value: unknown): void => {
      res.writeHead(status, { 'Content-Type': 'application/json' });
      res.end(JSON.stringify(value));
    };
    if (pathname === '/root/config/') {
      return answer(200, { error_reporting: { enabled: false, sentry_dsn: '' }, capabilities: ['can_save_media'] });
    }
    if (req.headers.authorization !== `Bearer ${token}`) return answer(401, { detail: 'Token invalid/expired' });
    if (pathname === '/outposts/instances/') {
      return answer(200, page(tokenKind === 'outpost' ? [instance] : [], searchParams, 100));
    }
    if (pathname === '/outposts/proxy/') {
      if (tokenKind === 'user') return answer(403, { detail: 'You do not have permission to perform this action.' });
      const { host = '' } = req.headers;
      const listed = providers.map((provider) => withEndpoints(provider, `${proto}://${host}`, alg));
      return answer(200, page(listed, searchParams, options.pageSize ?? 100));
    }
    const [, uuid = '', view = ''] = /^\/crypto\/certificatekeypairs\/([^/]+)\/(?:(\w+)\/)?$/.exec(pathname) ?? [];
    const pair = certificates.get(uuid);
    if (pair && view === '') return answer(200, { pk: uuid, name: uuid, fingerprint_sha256: pair.fingerprint });
    if (pair && view === 'view_certificate') return answer(200, { data: pair.certificate });
    if (pair && view === 'view_private_key') return answer(200, { data: pair.privateKey });
    if (pathname === '/events/events/' && req.method === 'POST') {
      events.push(JSON.parse(body) as Record<string, unknown>);
      return answer(201, {});
    }
    return answer(404, { detail: 'Not found.' });
  }

  async function openid(req: IncomingMessage, res: ServerResponse, path: string): Promise<void> {
    const { pathname, search } = new URL(path, 'http://core');
    if (/^\/application\/o\/[^/]+\/jwks\/?$/.test(pathname)) {
      const keys = (await Promise.all(idps.values())).map((idp) => idp.publicJwk);
      res.writeHead(200, { 'Content-Type': 'application/json' });
      return void res.end(JSON.stringify({ keys }));
    }
    const forwarded = req.headers['x-forwarded-proto'];
    const origin = `${typeof forwarded === 'string' ? forwarded : proto}://${req.headers.host ?? ''}`;
    const idp = await idpOf(origin);
    const target = OIDC_PATHS.find(([pattern]) => pattern.test(pathname))?.[1] ?? pathname;
    const upstream = httpRequest({
      host: '127.0.0.1',
      port: idp.port,
      path: target + search,
      method: req.method ?? 'GET',
      headers: { ...req.headers, 'x-forwarded-proto': origin.split(':')[0], connection: 'close' },
      agent: false,
    });
    req.pipe(upstream);
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(res);
  }

  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const path = req.url ?? '';
    const refuse = (status: number): void => void socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\n\r\n`);
    // The slash before the query is part of the route.
    if (!path.startsWith(`${basePath}/ws/outpost/${String(instance['pk'])}/?`)) refuse(404);
    else if (req.headers.authorization !== `Bearer ${token}`) refuse(403);
    else if (fault !== null && (fault.path === undefined || fault.path.test(path))) refuse(fault.status ?? 500);
    else sockets.handleUpgrade(req, socket, head, (connection) => welcome(connection, req));
    changed();
  });
  function welcome(connection: WebSocket, req: IncomingMessage): void {
    handshakes.push({ method: 'GET', path: req.url ?? '', headers: req.headers });
    connection.on('message', (data) => {
      const frame = JSON.parse(String(data)) as Frame;
      frames.push(frame);
      if (frame.instruction !== 0) connection.send(JSON.stringify({ instruction: 0, args: {} }));
      changed();
    });
    connection.on('close', (code) => {
      closes.push(code);
      changed();
    });
    changed();
  }
  function say(text: string): void {
    for (const connection of sockets.clients) connection.send(text);
  }
  const instruct = (instruction: number, args: unknown): void => say(JSON.stringify({ instruction, args }));

  await setProviders(options.providers ?? []);
  await idpOf(new URL(url).origin);

  async function close(): Promise<void> {
    for (const connection of sockets.clients) connection.terminate();
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
    for (const idp of await Promise.all(idps.values())) await idp.close();
  }

  return {
    url,
    port,
    token: initialToken,
    outpostPk: PK,
    requests,
    events,
    frames,
    handshakes,
    closes,
    connections: () => sockets.clients.size,
    setProviders,
    setInstance: (fields) => {
      instance = { ...instance, ...fields };
    },
    setCertificate: (uuid, certificate) => {
      if (certificate === null) certificates.delete(uuid);
      else certificates.set(uuid, certificate);
    },
    setToken: (next) => {
      token = next;
    },
    setTokenKind: (kind) => {
      tokenKind = kind;
    },
    trigger: () => instruct(2, { type: 'event.update' }),
    endSession: (sid, how = 'session_end') =>
      how === 'session_end'
        ? instruct(4, { type: 'event.session.end', session_id: sid })
        : instruct(3, { type: 'event.provider.specific', sub_type: 'logout', session_id: sid }),
    say,
    fail: (next) => {
      fault = next;
    },
    hold: () => {
      let release = (): void => {};
      held = new Promise((resolve) => {
        release = resolve;
      });
      return () => {
        held = null;
        release();
      };
    },
    dropConnections: () => {
      for (const connection of sockets.clients) connection.terminate();
    },
    until: (test) =>
      test()
        ? Promise.resolve()
        : new Promise((done) => {
            waiting.add({ test, done });
          }),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The part of oidc-provider's Client class that its types leave out. */
interface ClientClass {
  readonly adapter: { upsert(id: string, metadata: unknown): Promise<void> };
}

function slug(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, '-');
}

/** A provider as core creates it, HS256 and a secret of 32 letters and digits included. */
function withDefaults(given: FakeProvider, pk: number): Record<string, unknown> {
  const id = slug(given.name);
  return {
    pk,
    internal_host: '',
    internal_host_ssl_validation: true,
    client_id: `client-${id}`,
    client_secret: `client-secret-of-${id}-0123456789abcdef`,
    cookie_secret: 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345',
    certificate: null,
    skip_path_regex: '',
    basic_auth_enabled: false,
    basic_auth_password_attribute: '',
    basic_auth_user_attribute: '',
    mode: 'forward_single',
    cookie_domain: '',
    access_token_validity: 86_400.0,
    intercept_header_auth: true,
    scopes_to_request: ['profile', 'ak_proxy', 'openid', 'email'],
    assigned_application_slug: id,
    assigned_application_name: given.name,
    ...given,
  };
}

/** Built from the host that the API was called by. */
function withEndpoints(provider: Record<string, unknown>, origin: string, alg: IdpAlg): Record<string, unknown> {
  const application = `${origin}/application/o/${String(provider['assigned_application_slug'])}`;
  return {
    oidc_configuration: {
      issuer: `${origin}/`,
      authorization_endpoint: `${origin}/application/o/authorize/`,
      token_endpoint: `${origin}/application/o/token/`,
      userinfo_endpoint: `${origin}/application/o/userinfo/`,
      end_session_endpoint: `${application}/end-session/`,
      introspection_endpoint: `${origin}/application/o/introspect/`,
      jwks_uri: `${application}/jwks/`,
      response_types_supported: ['code'],
      id_token_signing_alg_values_supported: [alg],
      subject_types_supported: ['public'],
      token_endpoint_auth_methods_supported: ['client_secret_post', 'client_secret_basic'],
      device_authorization_endpoint: `${origin}/application/o/device/`,
    },
    ...provider,
  };
}

function clientOf(provider: Record<string, unknown>): IdpOptions['clients'][number] | null {
  const { client_id, client_secret, external_host } = provider;
  if (typeof client_id !== 'string' || typeof client_secret !== 'string' || typeof external_host !== 'string')
    return null;
  if (client_id === '' || !/^https?:\/\/[^/]+\/?$/.test(external_host)) return null;
  const origin = new URL(external_host).origin;
  return {
    client_id,
    client_secret,
    redirect_uris: [
      `${origin}/outpost.goauthentik.io/callback?X-authentik-auth-callback=true`,
      `${origin}?X-authentik-auth-callback=true`,
    ],
    // authentik takes no notice of the parameter while none is registered; oidc-provider refuses the sign-out.
    post_logout_redirect_uris: [`${origin}/outpost.goauthentik.io/signed_out`],
  };
}

/** Django REST framework's pages as authentik shapes them. */
function page(all: readonly unknown[], query: URLSearchParams, most: number): Record<string, unknown> {
  const size = Math.min(Number(query.get('page_size') ?? 20), most);
  const current = Number(query.get('page') ?? 1);
  const totalPages = Math.max(1, Math.ceil(all.length / size));
  const start = (current - 1) * size;
  return {
    pagination: {
      next: current < totalPages ? current + 1 : 0,
      previous: current - 1,
      count: all.length,
      current,
      total_pages: totalPages,
      start_index: start + 1,
      end_index: Math.min(start + size, all.length),
    },
    results: all.slice(start, start + size),
  };
}

async function textOf(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}
