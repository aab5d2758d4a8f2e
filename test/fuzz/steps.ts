// The outpost's own paths, asked for as browsers, identity providers and passers-by ask for them.
import { chooseHost, chooseNoise } from './checks.js';
import { chooseCookies } from './cookies.js';
import type { Rule } from './oracle.js';
import { chooseRd } from './paths.js';
import type { Random } from './random.js';
import { encode, type Field, type Fuzzed } from './wire.js';
import { BARRED, type FuzzWorld, type Site } from './world.js';

const PREFIXES = ['/akprox', '/outpost.goauthentik.io'];
const METHODS = ['GET', 'GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'OPTIONS', 'DELETE'];
/** They are there for everybody. */
const PAGES = ['/signed_out', '/jwks.json', '/frontchannel_logout', '/frontchannel_logout?iss=x&sid=y'];
const NOTHING = [
  ...[
    '',
    '/',
    '/x',
    '/auth/',
    '/auth/x',
    '/auth/traefik/',
    '/auth/envoyx',
    '/authx',
    '/start/',
    '/START',
    '/userinfo/x',
    '/..',
    '/%2e%2e/auth',
  ],
  ...[
    '/ping/',
    '//ping',
    '/sessions/x',
    '/callback/..',
    '/__proto__',
    '/constructor',
    '/toString',
    '/auth/envoy*',
    '/auth;x',
    '/sign_outx',
  ],
];

interface Asked {
  readonly r: Random;
  readonly world: FuzzWorld;
  readonly site: Site | null;
  readonly method: string;
}

interface StepChoice {
  readonly what: string;
  /** Behind the prefix; `bare`: instead of it. */
  readonly target: string;
  readonly bare?: boolean;
  readonly mayEnd?: boolean;
  readonly fields?: readonly Field[];
  readonly body?: string;
  readonly rule?: Partial<Rule>;
  /** Statuses for a site's host, in a request that is beyond doubt. */
  readonly must?: readonly number[];
  /** Whatever the host is. */
  readonly anyHost?: boolean;
}

export function makeStep(r: Random, world: FuzzWorld): Fuzzed {
  const { site, host } = chooseHost(r, world);
  const method = r.pick(METHODS);
  const prefix = r.pick(PREFIXES);
  const step = chooseStep({ r, world, site, method });
  const cookies = chooseCookies(r, world, site, step.mayEnd ?? false);
  const fields: Field[] = [...(step.fields ?? []), ...chooseNoise(r)].filter(
    ([name]) => step.body === undefined || name !== 'Content-Length',
  );
  for (const line of cookies.lines) fields.push(['Cookie', line]);
  const forwarded = r.chance(0.3);
  fields.unshift(['Host', forwarded ? 'akprox:9000' : host]);
  if (forwarded) fields.push(['X-Forwarded-Host', host]);
  const posts = step.body !== undefined;
  const body = step.body ?? '';
  if (posts) fields.push(['Content-Length', String(body.length)]);
  const asked = posts ? 'POST' : method;

  const isUserinfo = step.target === '/userinfo';
  // Who may not use the application may still see who they are.
  const people = [...cookies.sessions.map(({ user }) => user), ...(cookies.verdict === 'barred' ? [BARRED] : [])];
  const personal = isUserinfo || step.target === '/sessions';
  const seen =
    personal && people.length > 0
      ? { step: { statuses: [200], ...(isUserinfo ? { body: new RegExp(`"sub":"(?:${people.join('|')})"`) } : {}) } }
      : {};
  const must =
    site === null && !step.anyHost ? [400] : isUserinfo ? mustOfUserinfo(cookies.verdict) : (step.must ?? null);
  return {
    bytes: encode({
      method: asked,
      target: step.bare ? step.target : prefix + step.target,
      version: 'HTTP/1.1',
      fields,
      body,
    }),
    what: `step: ${asked} ${step.what}, ${cookies.what}`,
    isCheck: false,
    bodiless: asked === 'HEAD',
    rule: {
      sessions: [],
      open: null,
      must,
      sites: site === null ? [] : [site],
      mayAskIdp: true,
      faults: [],
      ...seen,
      ...step.rule,
    },
    framing: posts ? 'last' : 'plain',
    waits: true,
    // Without its signature a path is whatever else is there: userinfo, or a page.
    fragile: step.bare ? 'byte' : 'no',
  };
}

function mustOfUserinfo(verdict: string): readonly number[] | null {
  if (verdict === 'in' || verdict === 'barred') return [200];
  return verdict === 'nobody' ? [401] : null;
}

function chooseStep(asked: Asked): StepChoice {
  const { r } = asked;
  switch (r.below(12)) {
    case 0:
      return { what: 'ping', target: '/ping', anyHost: true, rule: { step: { statuses: [204] } }, must: [204] };
    case 1:
    case 2:
      return { what: 'start', target: `/start?rd=${chooseRd(r)}`, must: [302] };
    case 3:
      return {
        what: 'start',
        target: r.pick(['/start', '/start?', '/start?rd', '/start?&rd=/&rd=//evil.example']),
        must: [302],
      };
    case 4:
      return {
        what: 'sign_out',
        target: `/sign_out?rd=${chooseRd(r)}`,
        mayEnd: true,
        rule: { step: { statuses: [200] } },
      };
    case 5:
    case 6:
      return { what: 'userinfo', target: '/userinfo' };
    case 7:
      return callbackOf(asked);
    case 8:
      return { what: 'a page', target: r.pick(PAGES), rule: { step: { statuses: [200] } } };
    case 9:
      return logoutOf(asked);
    case 10:
      if (r.chance(0.3)) return signatureOf(asked);
      return sessionsOf(asked);
    default:
      return { what: 'nothing', target: r.pick(NOTHING) };
  }
}

function callbackOf({ r, world, site }: Asked): StepChoice {
  const codes = [
    'code=x',
    `code=${r.text(20)}`,
    'error=access_denied',
    'error=server_error',
    'code=',
    '',
    'code=a&code=b',
    'iss=http://evil.example&code=x',
  ];
  const mine = world.attempts.filter((attempt) => attempt.site === site);
  // A login that was begun: the code is asked about at the identity provider, so not often.
  if (mine.length > 0 && r.chance(0.15)) {
    const { cookie, state } = r.pick(mine);
    return {
      what: 'callback of a begun login',
      target: `/callback?state=${state}&${r.pick(codes)}`,
      fields: [['Cookie', cookie]],
      rule: { faults: [502] },
    };
  }
  const state = r.pick([r.text(43), '', '..', '%00', r.pick(world.attempts).state]);
  return { what: 'callback of nothing', target: `/callback?state=${state}&${r.pick(codes)}` };
}

function signatureOf({ r }: Asked): StepChoice {
  const path = r.pick(['/', '/a', '/akprox/x', '/akprox/userinfo']);
  if (r.chance(0.5))
    return {
      what: 'a signature of callback',
      target: `${path}?X-authentik-auth-callback=true&state=x&code=y`,
      bare: true,
    };
  return {
    what: 'a signature of sign_out',
    target: `${path}?X-authentik-logout=true`,
    bare: true,
    mayEnd: true,
    rule: { step: { statuses: [200] } },
  };
}

function sessionsOf({ r, site, method }: Asked): StepChoice {
  const page = site?.name === 'domain' ? { rule: { step: { statuses: [200] } } } : {};
  // A page that is there only for who is signed in; nobody may end a session without its token.
  if (r.chance(0.5)) return { what: 'sessions', target: '/sessions' };
  if (method === 'GET' || r.chance(0.5))
    return { what: 'root', target: r.pick(['/', '/x', '/favicon.ico']), bare: true, ...page };
  const body = r.pick([
    'all=1',
    `token=${r.text(43)}&session=all`,
    'token=&session=',
    'end=others',
    `end=${r.text(98)}`,
    r.bytes(100),
  ]);
  return {
    what: 'sessions, a forged form',
    target: '/sessions',
    body,
    fields: [
      ['Content-Type', 'application/x-www-form-urlencoded'],
      ['Sec-Fetch-Site', r.pick(['same-origin', 'cross-site'])],
    ],
  };
}

function logoutOf({ r, world, site, method }: Asked): StepChoice {
  const fields: Field[] = [['Content-Type', 'application/x-www-form-urlencoded']];
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const claims = {
    iss: world.issuer,
    aud: site?.name ?? 'x',
    sub: 'ada',
    iat: 0,
    jti: r.text(8),
    events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
  };
  if (r.chance(0.3))
    return {
      what: 'backchannel_logout without a body',
      target: '/backchannel_logout',
      ...(method === 'POST' ? { body: '' } : {}),
    };
  if (r.chance(0.1)) {
    const token = r.pick(world.logoutTokens);
    const ok = token.site === site ? { step: { statuses: [200] } } : {};
    return {
      what: 'a logout token',
      target: '/backchannel_logout',
      fields,
      body: `logout_token=${token.token}`,
      rule: ok,
    };
  }
  if (r.chance(0.02))
    return { what: 'a huge body', target: '/backchannel_logout', fields, body: 'x'.repeat(65_536 + r.below(100_000)) };
  // With a key that nobody has, seldom: it waits until the key set may be fetched anew.
  const alg = r.chance(0.005) ? 'RS256' : r.pick(['none', 'HS256', 'None', '']);
  const forged = `${part({ alg, typ: 'logout+jwt', kid: r.text(4) })}.${part(claims)}.${r.text(43)}`;
  const body = r.pick([
    `logout_token=${forged}`,
    `logout_token=${r.text(60)}`,
    'logout_token=',
    'logout_token=a&logout_token=b',
    r.bytes(r.below(300)),
    '{"logout_token":"x"}',
  ]);
  return { what: 'a forged logout token', target: '/backchannel_logout', fields, body };
}
