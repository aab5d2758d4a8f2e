// Checks as the proxies ask them, with one or more things wrong about them.
import { chooseCookies, printable } from './cookies.js';
import type { Rule } from './oracle.js';
import { choosePath, noPath } from './paths.js';
import type { Random } from './random.js';
import type { Draft, Field, Fuzzed } from './wire.js';
import { encode } from './wire.js';
import type { FuzzWorld, Site } from './world.js';

type Family = 'forward-auth' | 'original-url' | 'original-uri' | 'minimal' | 'envoy' | 'envoy-query';

const PREFIXES = ['/akprox', '/outpost.goauthentik.io'];
const TARGETS: Readonly<Record<Family, readonly string[]>> = {
  'forward-auth': [
    '/auth/traefik',
    '/auth?traefik',
    '/auth/caddy',
    '/auth?caddy',
    '/auth?traefik&envoy',
    '/auth?caddy=1&rd=//evil.example',
  ],
  'original-url': ['/auth/nginx', '/auth', '/auth?nginx'],
  'original-uri': ['/auth/nginx', '/auth', '/auth?nginx', '/auth?rd=http://evil.example/'],
  minimal: ['/auth/nginx', '/auth', '/auth?x=traefik'],
  envoy: ['/auth/envoy'],
  'envoy-query': ['/auth?envoy'],
};
const METHODS = ['GET', 'GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'HEAD'];
const ODD_METHODS = ['PROPFIND', 'TRACE', 'FOO', 'M-SEARCH', 'get', 'QUERY', 'G!T'];

/** Hosts that are nobody's, whatever they look like. */
const NOBODYS_HOSTS = [
  ...[
    'evil.example',
    'whoami.localhost',
    'whoami.localhost:8081',
    'evilwhoami.localhost:8080',
    'whoami.localhost:8080.evil.example',
  ],
  ...[
    'evilexample.localhost:8080',
    'example.localhost.evil.example',
    'u@whoami.localhost:8080',
    'whoami.localhost:8080@evil.example',
  ],
  ...[
    'whoami.localhost:8080, evil.example',
    'whoami.localhost:8080,other.localhost:8080',
    'whoami.localhost:8080/',
    '[::1]',
    '..',
  ],
  ...[
    'whoami.localhost:8080:8080',
    'whoami.localhost:08080',
    'whoami.localhost..:8080',
    '*',
    'whoami%2elocalhost:8080',
    '.example.localhost',
  ],
  ...[
    'whoami.localhost:8080#',
    'whoami.localhost:8080?',
    'whoami.localhost\\:8080',
    'whoami.localhost :8080',
    '127.0.0.1',
    'localhost',
  ],
];

export interface Asked {
  readonly site: Site | null;
  /** As it is sent. */
  readonly host: string;
  /** As the site's own lists have it. */
  readonly name: string;
}

/** A host and whose it is; null: nobody's. */
export function chooseHost(r: Random, world: FuzzWorld): Asked {
  if (r.chance(0.1)) {
    const length = 1 + r.below(300);
    const made = r.chance(0.02) ? `${r.text(length)}.invalid` : r.pick(NOBODYS_HOSTS);
    return { site: null, host: made, name: made };
  }
  const site = r.pick(world.sites);
  const host = r.chance(0.15) ? site.publicHost : r.pick(site.hosts);
  if (r.chance(0.9)) return { site, host, name: host };
  const [name = '', port] = host.split(':');
  const end = port === undefined ? '' : `:${port}`;
  const spelled = r.pick([host.toUpperCase(), `${name}.${end}`, `${name.replace('localhost', 'LocalHost')}${end}`]);
  return { site, host: spelled, name: host };
}

export function makeCheck(r: Random, world: FuzzWorld): Fuzzed {
  const family = r.pick<Family>([
    'forward-auth',
    'forward-auth',
    'forward-auth',
    'original-url',
    'original-uri',
    'minimal',
    'envoy',
    'envoy-query',
  ]);
  const chosen = chooseHost(r, world);
  const { site, name: hostName } = chosen;
  // In a URL the host ends there, and another one is asked for.
  const host = family === 'original-url' && chosen.host.includes('/') ? 'evil.example' : chosen.host;
  const relays = family === 'forward-auth' || family === 'envoy' || family === 'envoy-query';
  const known = family !== 'minimal' && family !== 'envoy-query';
  let path = known ? choosePath(r, site, hostName, relays) : noPath(site, hostName, false);
  // In the request target nothing can be wrong in this way: it would be another request.
  if (family === 'envoy' && (path.kind === 'unreadable' || /[ #]/.test(path.path))) path = noPath(site, hostName, true);
  const cookies = chooseCookies(r, world, site, path.kind === 'in-band');

  let sure = true;
  /** nginx: whether Host says it too. */
  let throughHost = false;
  let readable = path.kind !== 'unreadable';
  let read = site;
  const own: Field[] = [];
  const fields: Field[] = [];
  const browserMethod = r.pick(METHODS);
  const somewhere = (): string => (r.chance(0.5) ? r.pick(NOBODYS_HOSTS) : r.pick(r.pick(world.sites).hosts));
  // The address of the outpost is whatever the proxy calls it.
  const asOutpost = r.chance(0.5) ? 'akprox:9000' : somewhere();
  switch (family) {
    case 'forward-auth':
      fields.push(['Host', asOutpost]);
      own.push(['X-Forwarded-Proto', r.pick(['http', 'https', 'ws', 'wss', 'HTTP'])], ['X-Forwarded-Host', host]);
      own.push(['X-Forwarded-Uri', path.path], ['X-Forwarded-Method', browserMethod]);
      break;
    case 'original-url':
      throughHost = r.chance(0.5);
      fields.push(['Host', throughHost ? host : 'akprox:9000']);
      own.push(
        ['X-Original-URL', `${r.pick(['http', 'https'])}://${host}${path.path}`],
        ['X-Original-Method', browserMethod],
      );
      if (!path.path.startsWith('/')) {
        readable = false;
        sure = false;
        read = null;
      }
      break;
    case 'original-uri':
      own.push(['Host', host], ['X-Original-URI', path.path]);
      break;
    case 'minimal':
    case 'envoy-query':
    case 'envoy':
      own.push(['Host', host]);
      break;
  }
  let what = `${family}, ${cookies.what}${path.what === '' ? '' : `, ${path.what}`}`;

  // Something is wrong with the proxy's own headers.
  let damaged = false;
  if (r.chance(0.06) && own.length > 0) {
    const at = r.below(own.length);
    const [name, value] = own[at] ?? ['', ''];
    damaged = true;
    if (r.chance(0.3)) {
      own.splice(at, 1);
      what += `, no ${name}`;
      // Without them another header says what was asked for, or nothing does.
      if (
        name !== 'X-Forwarded-Proto' &&
        name !== 'X-Forwarded-Uri' &&
        !name.endsWith('-Method') &&
        name !== 'X-Original-URI'
      )
        read = null;
      if (name === 'X-Original-URL') read = throughHost ? site : null;
    } else {
      const second = r.chance(0.5) ? value : somewhere();
      const first = r.chance(0.5);
      own.splice(
        at,
        first ? 0 : 1,
        ...(first ? [[name, second] as const] : [[name, value] as const, [name, second] as const]),
      );
      what += `, two of ${name}`;
      if (first && second !== value && (name.endsWith('Host') || name === 'X-Original-URL')) read = null;
    }
  }
  // Other families: a proxy passes on what the client sent of them, and they must mean nothing.
  if (r.chance(0.3)) {
    const foreign: Field[] = [];
    if (family !== 'forward-auth')
      foreign.push(
        ['X-Forwarded-Host', somewhere()],
        ['X-Forwarded-Uri', '/public/'],
        ['X-Forwarded-Method', 'OPTIONS'],
      );
    if (relays)
      foreign.push(
        ['X-Original-URL', `http://${somewhere()}/public/`],
        ['X-Original-URI', '/public/'],
        ['X-Original-Method', 'OPTIONS'],
      );
    foreign.push(
      ['Forwarded', `host=${somewhere()}`],
      ['X-Forwarded-Server', 'x'],
      ['X-Real-Ip', '127.0.0.1'],
      ['X-Rewrite-Url', '/public/'],
    );
    fields.push(...foreign.filter(() => r.chance(0.5)));
    what += ', foreign headers';
  }
  // nginx sets Host; an X-Original-URL that came through from the client may not name somebody else's application.
  let contradicts = false;
  if ((family === 'minimal' || family === 'original-uri') && site !== null && r.chance(0.05)) {
    const others = world.sites.filter((candidate) => candidate !== site);
    own.push(['X-Original-URL', `http://${r.pick(r.pick(others).hosts)}/public/`]);
    contradicts = true;
    what += ', an X-Original-URL of another application';
  }

  const authorization = r.chance(0.03) ? chooseAuthorization(r) : null;
  if (authorization !== null) {
    fields.push(['Authorization', authorization]);
    what += ', Authorization';
  }
  let isPreflight = false;
  if (r.chance(0.04)) {
    fields.push(['Origin', 'https://evil.example'], ['Access-Control-Request-Method', 'DELETE']);
    isPreflight = true;
  }
  fields.push(...chooseNoise(r));
  for (const line of cookies.lines) fields.splice(r.below(fields.length + 1), 0, ['Cookie', line]);
  // The order of two Cookie lines counts, so they are put in again as they were.
  let next = 0;
  const ordered = fields.map(
    (field): Field => (field[0] === 'Cookie' ? ['Cookie', cookies.lines[next++] ?? ''] : field),
  );
  ordered.splice(r.below(ordered.length + 1), 0, ...own);

  const oddMethod = r.chance(0.02);
  const method = oddMethod ? r.pick(ODD_METHODS) : r.pick(METHODS);
  const prefix = r.pick(PREFIXES);
  const target = prefix + r.pick(TARGETS[family]) + (family === 'envoy' ? path.path : '');
  const draft: Draft = { method, target, version: 'HTTP/1.1', fields: ordered, body: '' };

  if (contradicts) read = null;
  const opens =
    path.kind === 'public' ||
    (isPreflight &&
      relays &&
      site?.preflight === true &&
      (family === 'forward-auth' ? browserMethod : method) === 'OPTIONS');
  const rule: Rule = {
    sessions: read === null ? [] : path.kind === 'in-band' && relays ? [] : cookies.sessions,
    open: read !== null && (opens || path.kind === 'perhaps-public') ? read : null,
    must: null,
    sites: site === null || damaged || contradicts ? world.sites : [site],
    mayAskIdp: path.kind === 'in-band',
    faults: authorization !== null ? [503] : [],
  };
  sure &&= !damaged && !oddMethod && path.kind !== 'in-band' && path.kind !== 'perhaps-public';
  const must = sure ? mustBe(site, readable, contradicts, cookies.verdict, opens, authorization !== null) : null;
  return {
    bytes: encode(draft),
    what: `check: ${what}`,
    isCheck: true,
    bodiless: method === 'HEAD',
    rule: { ...rule, must },
    // Bytes in the request target are answered by one listener and refused by another.
    framing: oddMethod || damaged || /[^\x21-\x7e]|\\/.test(target) ? 'last' : 'plain',
    waits: path.kind === 'in-band' || authorization !== null,
    // A path nearly public, a step that is none any more, a dialect to which a foreign header is its own.
    fragile: damaged || contradicts ? 'field' : /nearly|a step|foreign/.test(what) ? 'byte' : 'no',
  };
}

function mustBe(
  site: Site | null,
  readable: boolean,
  contradicts: boolean,
  verdict: 'in' | 'barred' | 'nobody' | 'open',
  opens: boolean,
  authorization: boolean,
): readonly number[] | null {
  if (site === null || contradicts) return [400];
  // Who is signed in is let in before anybody reads the path.
  if (!readable) return verdict === 'nobody' ? [400] : null;
  if (verdict === 'open') return null;
  if (verdict === 'in') return [200];
  if (verdict === 'barred') return [403];
  // Before anybody looks at credentials in a header.
  if (opens) return [200];
  return authorization ? [302, 401, 503] : [302, 401];
}

/** Few, because each new one is a question to the identity provider. */
function chooseAuthorization(r: Random): string {
  const base64 = (text: string): string => Buffer.from(text, 'latin1').toString('base64');
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const number = r.below(r.chance(0.1) ? 1_000_000 : 12);
  return r.pick([
    `Bearer ${number}`,
    `Bearer ${part({ alg: 'none' })}.${part({ sub: 'ada', aud: 'whoami', n: number })}.`,
    `Bearer ${part({ alg: 'HS256' })}.${part({ sub: 'ada', exp: 9_999_999_999, n: number })}.${'A'.repeat(43)}`,
    `Basic ${base64(`nobody${number}:x`)}`,
    `Basic ${base64('ada:wrong')}`,
    `Basic ${base64(`goauthentik.io/token:${number}`)}`,
    `Basic ${printable(r.bytes(20))}`,
    'Basic',
    'Bearer',
    `Bearer  ${number} x`,
    `Digest username="ada"`,
    `bearer ${'x'.repeat(20_000)}`,
    `Basic ${base64('a')}`,
  ]);
}

const NOISE: readonly Field[] = [
  ['Accept', 'text/html,application/xhtml+xml'],
  ['Accept', 'application/json'],
  ['Accept', '*/*'],
  ['Sec-Fetch-Mode', 'navigate'],
  ['Sec-Fetch-Mode', 'cors'],
  ['Sec-Fetch-Dest', 'image'],
  ['X-Requested-With', 'XMLHttpRequest'],
  ['User-Agent', 'Mozilla/5.0 (fuzz)'],
  ['X-Forwarded-For', '203.0.113.9, 127.0.0.1'],
  ['X-Forwarded-For', "'; DROP TABLE"],
  ['Accept-Encoding', 'gzip, br'],
  ['If-None-Match', '*'],
  ['Range', 'bytes=0-0'],
  ['Content-Length', '0'],
  ['X-Auth-Username', 'ada'],
  ['X-authentik-username', 'ada'],
  ['Remote-User', 'ada'],
  ['Connection', 'keep-alive'],
  ['TE', 'trailers'],
  ['Max-Forwards', '0'],
  ['traceparent', '00-0-0-00'],
];

export function chooseNoise(r: Random): Field[] {
  const fields: Field[] = [];
  for (let n = r.below(4); n > 0; n -= 1) {
    if (r.chance(0.8)) fields.push(r.pick(NOISE));
    else if (r.chance(0.7)) fields.push([`X-${r.text(1 + r.below(30), 'abcdefgh-')}`, printable(r.bytes(r.below(80)))]);
    else fields.push(['X-Long', 'y'.repeat(r.below(6_000))]);
  }
  // Twice the same length is a framing of its own.
  return fields.filter(
    ([name], at) => name !== 'Content-Length' || fields.findIndex(([other]) => other === name) === at,
  );
}
