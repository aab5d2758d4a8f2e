import { readFileSync } from 'node:fs';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { fileURLToPath } from 'node:url';
import { generate } from 'selfsigned';
import { parseAllDocuments } from 'yaml';
import { type Listening, listenLocally } from '../../kit/listening.js';

export type ModelledName = 'traefik' | 'envoy' | 'ingress-nginx';
type Lines = (readonly [name: string, value: string])[];

interface Settings {
  /** Null: nobody is asked. */
  readonly check: { readonly self: boolean; readonly path: string } | null;
  readonly trust: boolean;
  /** Which of the client's headers the outpost gets; null for all. */
  readonly asksWith: readonly string[] | null;
  /** Taken from the client's request and set from the answer. */
  readonly identity: readonly string[];
  /** Whether other spellings of them go. */
  readonly dropsAliases: boolean;
  readonly proto: string;
  readonly signIn: string | null;
  readonly routesOutpost: boolean;
  /** Whether the check is among the paths that are routed there. */
  readonly routesCheck: boolean;
  /** The largest body that goes along with a check, -1 for any; null: none does. */
  readonly forwardsBody: number | null;
}

const FILES: Record<ModelledName, string> = {
  traefik: 'traefik/dynamic.yaml',
  envoy: 'envoy/single.yaml',
  'ingress-nginx': 'ingress-nginx/ingress.yaml',
};
const DEPLOY = fileURLToPath(new URL('../../../deploy/proxies/', import.meta.url));
const OUTPOST = /^\/(?:akprox|outpost\.goauthentik\.io)\//;
const CHECK = /^\/(?:akprox|outpost\.goauthentik\.io)\/auth/;
const FORWARDED = /^x-(?:forwarded-(?:host|proto|uri|method|for|port|server)|original-(?:url|uri|method)|real-ip)$/;

/** Every edit must find something to change. */
export function readSettings(name: ModelledName, edits: readonly (readonly [from: string, to: string])[]): Settings {
  let text = readFileSync(DEPLOY + FILES[name], 'utf8');
  for (const [from, to] of edits) {
    if (!text.includes(from)) throw new Error(`deploy/proxies/${FILES[name]} has no ${from}`);
    text = text.replaceAll(from, to);
  }
  const documents = parseAllDocuments(text).map((document) => document.toJS() as unknown);
  return READ[name](documents);
}

// biome-ignore lint/suspicious/noExplicitAny: configuration of other programs, read as it is written
const READ: Record<ModelledName, (documents: any[]) => Settings> = {
  traefik: ([{ http }]) => {
    const { forwardAuth } = http.middlewares.akprox;
    const address = new URL(forwardAuth.address);
    return {
      check: http.routers.whoami.middlewares.includes('akprox')
        ? { self: address.hostname === 'whoami.company.tld', path: address.pathname }
        : null,
      trust: forwardAuth.trustForwardHeader,
      asksWith: forwardAuth.authRequestHeaders?.map((header: string) => header.toLowerCase()) ?? null,
      identity: forwardAuth.authResponseHeaders.map((header: string) => header.toLowerCase()),
      // `aliasHeadersStrategy` of traefik.yaml.
      dropsAliases: true,
      proto: 'https',
      signIn: null,
      routesOutpost: http.routers['whoami-akprox']?.service === 'akprox',
      routesCheck: !['/akprox/auth', '/outpost.goauthentik.io/auth'].every((path) =>
        http.routers['whoami-akprox']?.rule.includes(`!PathPrefix(\`${path}\`)`),
      ),
      forwardsBody: forwardAuth.forwardBody ? (forwardAuth.maxBodySize ?? -1) : null,
    };
  },
  envoy: ([{ static_resources }]) => {
    const manager = static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
    const filter = (name: string) =>
      // biome-ignore lint/suspicious/noExplicitAny: see above
      manager.http_filters.find((other: any) => other.name === name)?.typed_config;
    const authz = filter('envoy.filters.http.ext_authz');
    const lua: string = filter('envoy.filters.http.lua').default_source_code.inline_string;
    const exact = (patterns: { exact: string }[]) => patterns.map((pattern) => pattern.exact);
    const added = authz?.http_service.authorization_request.headers_to_add[0];
    return {
      check: authz ? { self: false, path: authz.http_service.path_prefix } : null,
      trust: false,
      asksWith: authz ? exact(authz.allowed_headers.patterns) : null,
      identity: [...lua.matchAll(/\["([a-z-]+)"\] = true/g)].map((match) => match[1] ?? ''),
      dropsAliases: lua.includes('[^:a-z0-9-]'),
      proto: added?.value ?? 'https',
      signIn: null,
      routesOutpost: true,
      routesCheck: !manager.route_config.virtual_hosts[0].routes.some(
        // biome-ignore lint/suspicious/noExplicitAny: see above
        ({ match, direct_response }: any) =>
          direct_response && new RegExp(`^${match.safe_regex.regex}$`).test('/akprox/auth'),
      ),
      forwardsBody: null,
    };
  },
  'ingress-nginx': ([ingress, outpost, controller]) => {
    const of = (name: string): string | undefined =>
      ingress.metadata.annotations[`nginx.ingress.kubernetes.io/${name}`];
    const url = of('auth-url');
    return {
      check: url === undefined ? null : { self: false, path: new URL(url).pathname },
      trust: false,
      asksWith: null,
      identity: (of('auth-response-headers') ?? '').toLowerCase().split(','),
      dropsAliases: true,
      proto: 'https',
      signIn: of('auth-signin') ?? null,
      routesCheck: !controller.data['server-snippet'].includes('/auth) { return 404; }'),
      routesOutpost: outpost.spec.rules[0].http.paths.some(({ path }: { path: string }) => path === '/akprox/'),
      forwardsBody: null,
    };
  },
};

export async function startModel(
  name: ModelledName,
  settings: Settings,
  places: { readonly outpost: string; readonly application: string },
): Promise<Listening> {
  const pems = await generate([{ name: 'commonName', value: 'company.tld' }], { keyType: 'ec', curve: 'P-256' });
  const server = createServer({ cert: pems.cert, key: pems.private, maxHeaderSize: 65_536 }, (req, res) => {
    answer(name, settings, places, req, res).catch(() => res.writeHead(502).end());
  });
  server.keepAliveTimeout = 0; // as in idp.ts
  return listenLocally(server);
}

async function answer(
  name: ModelledName,
  settings: Settings,
  places: { readonly outpost: string; readonly application: string },
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const path = req.url ?? '/';
  const host = req.headers.host ?? '';
  // Each of them routes by the host.
  if (host !== 'whoami.company.tld') return void res.writeHead(404).end();
  const client: Lines = req.rawHeaders.flatMap((header, i) =>
    i % 2 === 0 && !['connection', 'host', 'content-length', 'upgrade'].includes(header.toLowerCase())
      ? [[header, req.rawHeaders[i + 1] ?? ''] as const]
      : [],
  );
  const own: Lines = [
    ['X-Forwarded-Host', host],
    ['X-Forwarded-Proto', settings.proto],
  ];
  const clean = client.filter(([header]) => !FORWARDED.test(header.toLowerCase()));
  // Traefik's routers each have a rule: what this one leaves out is the application's. The others say 404.
  if (!settings.routesCheck && CHECK.test(path) && name !== 'traefik') return void res.writeHead(404).end();
  if (settings.routesOutpost && OUTPOST.test(path) && (settings.routesCheck || !CHECK.test(path))) {
    const body = await readBody(req);
    return relay(await send(places.outpost, path, host, [...clean, ...own], body, req.method), res);
  }
  const identity: Lines = [];
  if (settings.check !== null) {
    const body = settings.forwardsBody === null ? '' : await readBody(req);
    // Traefik's own answer, and not the outpost's.
    if (settings.forwardsBody !== null && settings.forwardsBody >= 0 && body.length > settings.forwardsBody)
      return void res.writeHead(401).end();
    const asked = await ask(name, settings, places.outpost, {
      path,
      host,
      method: req.method ?? '',
      client,
      clean,
      own,
      body,
    });
    if (asked.status < 200 || asked.status > 299) {
      if (name !== 'ingress-nginx') return relay(asked, res);
      if (asked.status === 401 && settings.signIn !== null) {
        const to = `${settings.signIn}?rd=${encodeURIComponent(`https://${host}${path}`)}`;
        return void res.writeHead(302, { Location: to, Server: 'nginx' }).end();
      }
      return void res
        .writeHead(asked.status === 401 || asked.status === 403 ? asked.status : 500, { Server: 'nginx' })
        .end();
    }
    for (const line of asked.lines) if (settings.identity.includes(line[0].toLowerCase())) identity.push(line);
  }
  const passed = clean.filter(([header]) => {
    const lower = header.toLowerCase();
    if (settings.dropsAliases && /[^a-z0-9-]/.test(lower)) return false;
    return settings.check === null || !settings.identity.includes(lower);
  });
  relay(await send(places.application, path, host, [...passed, ...own, ...identity]), res);
}

interface Asked {
  readonly path: string;
  readonly host: string;
  readonly method: string;
  readonly client: Lines;
  readonly clean: Lines;
  readonly own: Lines;
  readonly body: string;
}

function ask(name: ModelledName, settings: Settings, outpost: string, asked: Asked): Promise<Got> {
  const { path, host, method, client, clean, own, body } = asked;
  const check = settings.check?.path ?? '';
  const allowed = (lines: Lines): Lines =>
    lines.filter(([header]) => settings.asksWith === null || settings.asksWith.includes(header.toLowerCase()));
  if (name === 'envoy')
    return send(outpost, check + path, host, [...allowed(clean), ['X-Forwarded-Proto', settings.proto]]);
  if (name === 'ingress-nginx') {
    const lines: Lines = [
      ['X-Original-URL', `https://${host}${path}`],
      ['X-Original-Method', method],
    ];
    return send(outpost, check, 'akprox.akprox.svc.cluster.local', [...clean, ...lines]);
  }
  // Asked through itself, Traefik makes the headers anew: what was asked for first is lost.
  if (settings.check?.self) return send(outpost, check, host, [...clean, ...own]);
  const forwarded: Lines = [...own, ['X-Forwarded-Method', method], ['X-Forwarded-Uri', path]];
  const trusted = settings.trust ? client.filter(([header]) => FORWARDED.test(header.toLowerCase())) : [];
  const taken = new Set(trusted.map(([header]) => header.toLowerCase()));
  const rest = forwarded.filter(([header]) => !taken.has(header.toLowerCase()));
  return send(outpost, check, new URL(outpost).host, [...allowed(clean), ...trusted, ...rest], body);
}

interface Got {
  readonly status: number;
  readonly lines: Lines;
  readonly body: string;
}

async function readBody(req: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of req.setEncoding('latin1')) body += chunk;
  return body;
}

function send(origin: string, path: string, host: string, lines: Lines, sent = '', method = 'GET'): Promise<Got> {
  const length = sent === '' ? [] : ['Content-Length', String(sent.length)];
  const headers = ['Host', host, ...lines.flat(), ...length];
  return new Promise((resolve, reject) => {
    const req = request(new URL(origin), { method, path, agent: false, headers }, (res) => {
      let body = '';
      res.setEncoding('latin1').on('data', (text: string) => {
        body += text;
      });
      res.on('end', () => {
        const raw = res.rawHeaders;
        const got: Lines = raw.flatMap((header, i) => (i % 2 === 0 ? [[header, raw[i + 1] ?? ''] as const] : []));
        resolve({ status: res.statusCode ?? 502, lines: got, body });
      });
    });
    req.on('error', reject);
    req.end(sent, 'latin1');
  });
}

function relay(got: Got, res: ServerResponse): void {
  const skip = ['connection', 'keep-alive', 'transfer-encoding', 'content-length'];
  const lines = got.lines.filter(([header]) => !skip.includes(header.toLowerCase()));
  res.writeHead(got.status, lines.flat());
  res.end(Buffer.from(got.body, 'latin1'));
}
