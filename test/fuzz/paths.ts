// Paths that a browser may have asked for, and what they are to a site.
import { printable } from './cookies.js';
import type { Random } from './random.js';
import type { Site } from './world.js';

export interface PathChoice {
  readonly path: string;
  /** `in-band`: one of the outpost's own steps. `unreadable`: no request target. */
  readonly kind: 'private' | 'public' | 'perhaps-public' | 'in-band' | 'unreadable';
  readonly what: string;
}

/** Looks like the public ones of a site and is not. */
const NEVER_PUBLIC = [
  ...[
    '/public',
    '/publicx',
    '/x/public/',
    '/Public/',
    '/public/../x',
    '/public/..',
    '/public/./a',
    '/public/%2e%2e/x',
    '/public/.%2E/x',
  ],
  ...[
    '/public/..;/x',
    '/public/a%2fb',
    '/public/%5c',
    '/public%2f',
    '/public/%00',
    '/public/a%',
    '/public/%zz',
    '/public/%25%32%65/..',
  ],
  ...[
    '//public/',
    '/?/public/',
    '/x;/public/',
    '/public/%c0%ae%c0%ae/',
    '/public/a/..%2f..%2fx',
    '/public/%3f',
    '/public/a%23/x',
  ],
];
const PRIVATE = [
  '/',
  '/',
  '/a',
  '/a/b/c.html?x=1&y=2',
  '/%E5%90%8D',
  '/a?rd=http://evil.example/',
  '/?a=%00',
  '/a+b',
  '/~;x=1',
  '/a/../b',
  '/api/v1?q[]=1',
];
const UNREADABLE = [
  'x',
  'http://evil.example/',
  '/a b',
  '/a#b',
  '/\\evil.example',
  '*',
  '?x',
  '\\',
  '//evil.example\\@x/ ',
];
/** Spelled nearly like a step. */
const LOOKALIKE = [
  '/akprox/startx',
  '/akprox/start/',
  '/Akprox/start',
  '/akprox//start',
  '/akprox/%73tart',
  '/akprox/auth/traefik',
  '/akprox/ping',
  '/akprox/userinfo',
];

export const EVIL_TARGETS = [
  ...[
    'http://evil.example/',
    '//evil.example/',
    '/\\evil.example',
    'https:evil.example',
    'http:///evil.example',
    'javascript:alert(1)',
  ],
  ...[
    'http://whoami.localhost:8080@evil.example/',
    'http://whoami.localhost:8080.evil.example/',
    'http://evil.example\\@whoami.localhost:8080/',
  ],
  ...[
    'http://whoami.localhost:8080%2f@evil.example/',
    'http%3A%2F%2Fevil.example%2F',
    '%2F%2Fevil.example',
    '/%0d%0aLocation:%20//evil.example',
  ],
  ...[
    'http://evil.example#@whoami.localhost:8080/',
    'http://evilexample.localhost/',
    'http://evil.example/?.example.localhost/',
    'data:text/html,x',
  ],
  ...[
    'http://[::1]/',
    'http://auth.example.localhost:8080\\.evil.example/',
    '///evil.example',
    '/akprox/sign_out',
    'http://u:p@a.example.localhost/',
  ],
];
export const GOOD_TARGETS = [
  '/',
  '/a?b=c',
  'http://whoami.localhost:8080/deep',
  'http%3A%2F%2Fother.localhost%3A8080%2Fx',
  'http://a.example.localhost/x?y',
  'https://secure.localhost/z',
];

export function chooseRd(r: Random): string {
  if (r.chance(0.1)) return '';
  const target = r.chance(0.7) ? r.pick(EVIL_TARGETS) : r.pick(GOOD_TARGETS);
  return r.chance(0.3) ? encodeURIComponent(target) : target;
}

export function stepTarget(r: Random): string {
  const prefix = r.pick(['/akprox', '/outpost.goauthentik.io']);
  switch (r.below(6)) {
    case 0:
    case 1:
      return `${prefix}/start?rd=${chooseRd(r)}`;
    case 2:
      return `${prefix}/sign_out?rd=${chooseRd(r)}`;
    case 3:
      return `${prefix}/callback?code=${r.text(8)}&state=${r.text(8)}`;
    case 4:
      return `/a?X-authentik-logout=true&rd=${chooseRd(r)}`;
    default:
      return `/?X-authentik-auth-callback=true&code=${r.text(8)}&state=${r.text(8)}`;
  }
}

/** `host` is one of the site's. `relays`: whether the dialect runs steps in-band. */
export function choosePath(r: Random, site: Site | null, host: string, relays: boolean): PathChoice {
  // At a host that is public as a whole everything may be public, and only the plainest paths are so for certain.
  const privately = site !== null && isOpenHost(site, host) ? 'perhaps-public' : 'private';
  const dice = r.below(100);
  if (dice < 25 && site !== null && site.publicPaths.length > 0) {
    const kind = host === site.publicHost ? 'public' : 'private';
    return { path: r.pick(site.publicPaths), kind, what: 'a public path' };
  }
  if (dice < 35) return { path: r.pick(NEVER_PUBLIC), kind: privately, what: 'nearly public' };
  if (dice < 40) return { path: r.pick(UNREADABLE), kind: 'unreadable', what: 'no path' };
  if (dice < 43) return { path: r.pick(LOOKALIKE), kind: privately, what: 'nearly a step' };
  if (dice < 47) return { path: stepTarget(r), kind: relays ? 'in-band' : 'perhaps-public', what: 'a step' };
  if (dice < 50) {
    const path = `/${printable(r.bytes(r.below(60))).replace(/[ ?&]/g, '')}`;
    return { path, kind: 'perhaps-public', what: 'bytes' };
  }
  if (dice < 52) return { path: `/${'p'.repeat(r.below(4_000))}`, kind: privately, what: 'a long path' };
  return { path: r.pick(PRIVATE), kind: privately, what: '' };
}

/** `known`: whether the proxy says which path was asked for; else it is on no allow-list. */
export function noPath(site: Site | null, host: string, known: boolean): PathChoice {
  return { path: '/', kind: known && site !== null && isOpenHost(site, host) ? 'public' : 'private', what: '' };
}

/** Public as a whole, unlike a site with some public paths. */
function isOpenHost(site: Site, host: string): boolean {
  return host === site.publicHost && !site.hosts.includes(site.publicHost);
}
