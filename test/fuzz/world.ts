// What the fuzzer plays with: the built daemon with four applications, and people who signed in by real logins. Some stay
// signed in to the end, some may be signed out by a request, some have been signed out already, one may not use the application.
import { request as httpRequest } from 'node:http';
import { createBrowser } from '../kit/browser.js';
import { type Daemon, request, SECRET, startDaemon } from '../kit/daemon.js';
import { type Idp, startIdp } from '../kit/idp.js';
import { ENGINE, startOnNodeHttp } from '../kit/on-node-http.js';
import { clientFor } from '../kit/world.js';

export interface Site {
  readonly name: string;
  /** `external_host`. */
  readonly origin: string;
  /** `host[:port]` values that are this site's. */
  readonly hosts: readonly string[];
  /** Where a redirect may lead, besides the identity provider. */
  readonly ownUrl: RegExp;
  readonly redirectUri: string;
  readonly cookieName: string;
  /** Paths that pass without a session, and the host that they pass at. */
  readonly publicPaths: readonly string[];
  readonly publicHost: string;
  readonly preflight: boolean;
  readonly asksAboutHeaders: boolean;
}

/** `kept` sessions must outlive the run, `spare` ones need not; `ended` and `barred` ones never let anybody in. */
export type SessionKind = 'kept' | 'spare' | 'ended' | 'barred';

export interface Session {
  readonly kind: SessionKind;
  readonly site: Site;
  readonly user: string;
  readonly value: string;
  /** Headers of an allowed check by lower-case name, as latin1 of the bytes on the wire. */
  readonly identity: ReadonlyMap<string, string>;
}

export interface FuzzWorld {
  readonly daemon: Daemon;
  /** The same with `listen.http` on node:http; null where `daemon` has it so. */
  readonly onNode: Daemon | null;
  readonly issuer: string;
  readonly sites: readonly Site[];
  readonly sessions: readonly Session[];
  /** Cookies of logins that were begun and not ended, with their `state`. */
  readonly attempts: readonly { readonly site: Site; readonly cookie: string; readonly state: string }[];
  /** Logout tokens that are valid once: of nobody who is signed in. */
  readonly logoutTokens: readonly { readonly site: Site; readonly token: string }[];
  [Symbol.asyncDispose](): Promise<void>;
}

interface Plan {
  readonly name: string;
  readonly origin: string;
  readonly prefix: string;
  readonly hosts: readonly string[];
  readonly ownUrl: RegExp;
  readonly publicPaths?: readonly string[];
  readonly publicHost?: string;
  readonly settings: Record<string, unknown>;
}

const PUBLIC = ['/public/', '/public/a', '/public/a/b?x=/../', '/public/%41', '/%70ublic/a'];

const PLANS: readonly Plan[] = [
  {
    name: 'whoami',
    origin: 'http://whoami.localhost:8080',
    prefix: '/akprox',
    hosts: ['whoami.localhost:8080'],
    ownUrl: /^https?:\/\/whoami\.localhost:8080\//,
    publicPaths: PUBLIC,
    settings: { access: { groups: ['staff'] }, skip_path_regex: ['^/public/'] },
  },
  {
    name: 'other',
    origin: 'http://other.localhost:8080',
    prefix: '/outpost.goauthentik.io',
    hosts: ['other.localhost:8080'],
    ownUrl: /^https?:\/\/other\.localhost:8080\//,
    settings: { allow_preflight: true, intercept_header_auth: false, prefix: '/outpost.goauthentik.io' },
  },
  {
    name: 'domain',
    origin: 'http://auth.example.localhost:8080',
    prefix: '/akprox',
    hosts: ['auth.example.localhost:8080', 'example.localhost', 'a.example.localhost:8080', 'b.a.example.localhost'],
    ownUrl: /^https?:\/\/(?:[a-z0-9-]+\.)*example\.localhost(?::\d+)?\//,
    publicPaths: ['/', '/a', '/a?b=c'],
    publicHost: 'open.example.localhost:8080',
    settings: {
      mode: 'forward_domain',
      cookie_domain: 'example.localhost',
      skip_path_regex: ['^https?://open\\.example\\.localhost:8080/'],
    },
  },
  {
    name: 'secure',
    origin: 'https://secure.localhost',
    prefix: '/akprox',
    hosts: ['secure.localhost'],
    ownUrl: /^https?:\/\/secure\.localhost\//,
    settings: {},
  },
];

const KEPT = ['ada', 'bo', 'cleo'];
const SPARE = ['sid', 'sue', 'sam'];
const ENDED = ['eve', 'ed'];
export const BARRED = 'ned';
/** Signed in nowhere: whom the valid logout tokens are about. */
const ABSENT = 'abe';

const ACCOUNTS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = Object.fromEntries(
  [...KEPT, ...SPARE, ...ENDED, BARRED, ABSENT].map((user, i) => [
    user,
    {
      preferred_username: user,
      name: i % 2 === 0 ? `${user} Example` : `${user} Žižka 名`,
      email: `${user}@example.com`,
      email_verified: true,
      groups: user === BARRED ? ['guests'] : ['staff', `team-${user}`, 'a|b'],
    },
  ]),
);
const DAY = 86_400;
const LOGOUT_TOKENS = 40;

export async function startFuzzWorld(options: { readonly workers?: number } = {}): Promise<FuzzWorld> {
  const idp = await startIdp({
    clients: PLANS.map(({ name, origin, prefix }) => clientFor(name, origin, prefix)),
    accounts: ACCOUNTS,
    ttl: { AccessToken: DAY, IdToken: DAY },
  });
  let daemon: Daemon | undefined;
  let onNode: Daemon | null = null;
  try {
    daemon = await startDaemon({
      workers: options.workers ?? 2,
      listen: { compat: '127.0.0.1:0', https: '127.0.0.1:0' },
      providers: PLANS.map(({ name, origin, settings }) => ({
        name,
        mode: 'forward_single',
        external_host: origin,
        cookie_secret: SECRET,
        oidc: { issuer: idp.issuer, client_id: name, client_secret: `${name}-client-secret` },
        ...settings,
      })),
    });
    if (ENGINE === 'uWebSockets.js') onNode = await startOnNodeHttp(daemon, 1);
    return await populate(daemon, onNode, idp);
  } catch (error) {
    await onNode?.[Symbol.asyncDispose]();
    await daemon?.[Symbol.asyncDispose]();
    await idp.close();
    throw error;
  }
}

async function populate(daemon: Daemon, onNode: Daemon | null, idp: Idp): Promise<FuzzWorld> {
  const sites: Site[] = [];
  const sessions: Session[] = [];
  const attempts: { site: Site; cookie: string; state: string }[] = [];
  const logoutTokens: { site: Site; token: string }[] = [];
  for (const plan of PLANS) {
    const first = await signIn(daemon, plan, KEPT[0] ?? '');
    const site: Site = {
      name: plan.name,
      origin: plan.origin,
      hosts: plan.hosts,
      ownUrl: plan.ownUrl,
      redirectUri: `${plan.origin}${plan.prefix}/callback`,
      cookieName: first.slice(0, first.indexOf('=')),
      publicPaths: plan.publicPaths ?? [],
      publicHost: plan.publicHost ?? plan.hosts[0] ?? '',
      preflight: plan.settings['allow_preflight'] === true,
      asksAboutHeaders: plan.settings['intercept_header_auth'] !== false,
    };
    sites.push(site);
    const add = async (user: string, kind: SessionKind, cookie?: string): Promise<void> => {
      const value = cookie ?? (await signIn(daemon, plan, user));
      sessions.push({ kind, site, user, value: value.slice(value.indexOf('=') + 1), identity: identityOf(user, site) });
    };
    await add(KEPT[0] ?? '', 'kept', first);
    await Promise.all([
      ...KEPT.slice(1).map((user) => add(user, 'kept')),
      ...SPARE.map((user) => add(user, 'spare')),
      ...ENDED.map((user) => add(user, 'ended')),
      ...(plan.name === 'whoami' ? [add(BARRED, 'barred')] : []),
    ]);
    for (const { value } of sessions.filter((session) => session.site === site && session.kind === 'ended')) {
      await ask(daemon, plan, '/sign_out', `${site.cookieName}=${value}`);
    }
    for (let i = 0; i < 3; i += 1) {
      const { cookies, location } = await ask(daemon, plan, '/start', '');
      const state = /[?&]state=([^&]*)/.exec(location)?.[1] ?? '';
      attempts.push({ site, cookie: cookies[0]?.split(';')[0] ?? '', state });
    }
    for (let i = 0; i < LOGOUT_TOKENS; i += 1) logoutTokens.push({ site, token: await logoutToken(idp, site, i) });
  }
  // In an order of their own, or the same seed would pick somebody else.
  const order = ({ site, kind, user }: Session): string => `${site.name} ${kind} ${user}`;
  sessions.sort((a, b) => (order(a) < order(b) ? -1 : 1));
  return {
    daemon,
    onNode,
    issuer: idp.issuer,
    sites,
    sessions,
    attempts,
    logoutTokens,
    async [Symbol.asyncDispose]() {
      await onNode?.[Symbol.asyncDispose]();
      await daemon[Symbol.asyncDispose]();
      await idp.close();
    },
  };
}

/** `name=value` after a login that began at the outpost and ended in front of the application. */
async function signIn(daemon: Daemon, plan: Plan, user: string): Promise<string> {
  const browser = createBrowser({
    connect: ({ hostname, protocol }) => {
      if (!hostname.endsWith('.localhost')) return undefined;
      return {
        host: '127.0.0.1',
        port: Number(new URL((protocol === 'https:' ? daemon.https : daemon.http) ?? '').port),
      };
    },
  });
  const home = `${plan.origin}/`;
  await browser.logIn(`${plan.origin}${plan.prefix}/start`, user, (url) => url === home);
  const cookie = (await browser.cookies(home)).find((text) => /^authentik_proxy_[0-9a-f]{8}=/.test(text));
  if (cookie === undefined) throw new Error(`the login of ${user} at ${plan.name} gave no session`);
  return cookie;
}

function ask(
  daemon: Daemon,
  plan: Plan,
  step: string,
  cookie: string,
): Promise<{ cookies: string[]; location: string }> {
  return new Promise((resolve, reject) => {
    const headers = { Host: new URL(plan.origin).host, ...(cookie === '' ? {} : { Cookie: cookie }) };
    const req = httpRequest(`${daemon.http}${plan.prefix}${step}`, { headers, agent: false }, (res) => {
      res.resume();
      if (res.statusCode !== 302) reject(new Error(`${step} was answered ${res.statusCode}`));
      else resolve({ cookies: res.headers['set-cookie'] ?? [], location: res.headers.location ?? '' });
    });
    req.on('error', reject);
    req.end();
  });
}

function identityOf(user: string, site: Site): ReadonlyMap<string, string> {
  const account = ACCOUNTS[user] ?? {};
  const groups = (account['groups'] as string[]).map((group) => group.replaceAll('|', '%7C')).join('|');
  const headers = {
    'x-auth-username': user,
    'x-auth-groups': groups,
    'x-forwarded-email': `${user}@example.com`,
    'x-forwarded-preferred-username': user,
    'x-forwarded-user': user,
    'x-authentik-username': user,
    'x-authentik-groups': groups,
    'x-authentik-entitlements': '',
    'x-authentik-email': `${user}@example.com`,
    'x-authentik-name': String(account['name']),
    'x-authentik-uid': user,
    'x-authentik-meta-provider': site.name,
  };
  const onTheWire = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
  return new Map(Object.entries(headers).map(([name, value]) => [name, onTheWire(value)]));
}

function logoutToken(idp: Idp, site: Site, number: number): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} };
  const claims = { iss: idp.issuer, aud: site.name, iat: now, exp: now + 600, jti: `${site.name}-${number}`, events };
  return idp.sign({ ...claims, sub: ABSENT }, { typ: 'logout+jwt' });
}

/** What a check answers to a session by now, on a connection of its own. */
export async function identityAnswered(
  daemon: Daemon,
  session: Session,
): Promise<{ status: number; headers: ReadonlyMap<string, string> }> {
  const { status, headers } = await request(`${daemon.http}/akprox/auth/traefik`, {
    headers: {
      'X-Forwarded-Proto': 'http',
      'X-Forwarded-Host': session.site.hosts[0] ?? '',
      'X-Forwarded-Uri': '/',
      'X-Forwarded-Method': 'GET',
      Cookie: `${session.site.cookieName}=${session.value}`,
    },
  });
  return { status, headers: new Map(Object.entries(headers).map(([name, value]) => [name, String(value)])) };
}
