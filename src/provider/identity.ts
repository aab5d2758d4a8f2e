// Identity headers: from claims to one block of bytes that an allowed check is answered with. Rendered once, when a session
// enters the cache; written with a single `writeHeader(BLOCK_HEADER, block)`, whose value carries every further header
// line. That trick is response splitting on purpose, so the guard against the other kind stands right beside it: every name
// is a token and no value has a control character, or it is emptied and reported.
import type { Claims } from './claims.js';
import { isRecord } from './claims.js';

export interface IdentityFacts {
  /** Name of the provider. */
  readonly name: string;
  readonly families: readonly ('akprox' | 'authentik')[];
  readonly passJwt: boolean;
  readonly jwksUri: string;
  readonly outpostName: string;
  readonly applicationSlug: string;
  readonly version: string;
  readonly basicAuth: {
    readonly enabled: boolean;
    readonly user_attribute: string;
    readonly password_attribute: string;
  };
}

export interface IdentityBlock {
  readonly bytes: ArrayBuffer;
  /** Names of headers whose value was dropped. */
  readonly dropped: readonly string[];
}

/** The header whose value begins the block. */
export const BLOCK_HEADER = 'Cache-Control';
const BLOCK_VALUE = 'no-store';

const AKPROX_NAMES = [
  'X-Auth-Username',
  'X-Auth-Groups',
  'X-Forwarded-Email',
  'X-Forwarded-Preferred-Username',
  'X-Forwarded-User',
];
const AUTHENTIK_NAMES = [
  'username',
  'groups',
  'entitlements',
  'email',
  'name',
  'uid',
  'meta-jwks',
  'meta-outpost',
  'meta-provider',
  'meta-app',
  'meta-version',
].map((part) => `X-authentik-${part}`);
const JWT_NAME = 'X-authentik-jwt';

const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
const MOST_ADDITIONAL = 64;
const LARGEST_BLOCK = 49_152;

/** Every name that an allowed check carries, empty or not. */
export function identityHeaderNames(families: readonly ('akprox' | 'authentik')[], passJwt: boolean): string[] {
  return [
    ...(families.includes('akprox') ? AKPROX_NAMES : []),
    ...(families.includes('authentik') ? AUTHENTIK_NAMES : []),
    ...(passJwt ? [JWT_NAME] : []),
  ];
}

/** `claims` null: nobody is signed in (an allow-listed path), and the whole set is there with empty values. */
export function renderIdentity(
  facts: IdentityFacts,
  claims: Claims | null,
  jwt: string,
  onDropped: (header: string) => void = () => {},
): IdentityBlock {
  const values = claims === null ? new Map<string, string>() : identityValues(facts, claims, jwt);
  const dropped: string[] = [];
  const lines: string[] = [BLOCK_VALUE];
  let size = BLOCK_VALUE.length;
  const add = (name: string, raw: string): void => {
    const value = isFieldValue(raw) ? raw.trim() : '';
    if (value === '' && raw.trim() !== '') dropped.push(name);
    const line = `${name}: ${value.toWellFormed()}`;
    size += Buffer.byteLength(line) + 2;
    lines.push(line);
  };
  for (const name of identityHeaderNames(facts.families, facts.passJwt)) add(name, values.get(name) ?? '');

  if (claims !== null) {
    const basic = basicCredentials(facts, claims);
    if (basic !== null) add('Authorization', basic);
    for (const [name, value] of additionalHeaders(claims, basic !== null)) {
      if (!TOKEN.test(name) || size + name.length + value.length * 3 > LARGEST_BLOCK) dropped.push(name.slice(0, 64));
      else add(name, value);
    }
  }
  for (const name of dropped) onDropped(name.replace(/[^\x21-\x7e]/g, '?'));
  const bytes = Buffer.from(lines.join('\r\n'), 'utf8');
  // An ArrayBuffer of its own: a Buffer's may be a slice of Node's shared pool.
  const own = new ArrayBuffer(bytes.length);
  bytes.copy(new Uint8Array(own));
  return { bytes: own, dropped };
}

function identityValues(facts: IdentityFacts, claims: Claims, jwt: string): Map<string, string> {
  const groups = joined(claims.groups);
  return new Map([
    ['X-Auth-Username', claims.preferredUsername],
    ['X-Auth-Groups', groups],
    ['X-Forwarded-Email', claims.email],
    ['X-Forwarded-Preferred-Username', claims.preferredUsername],
    ['X-Forwarded-User', claims.sub],
    ['X-authentik-username', claims.preferredUsername],
    ['X-authentik-groups', groups],
    ['X-authentik-entitlements', joined(claims.entitlements)],
    ['X-authentik-email', claims.email],
    ['X-authentik-name', claims.name],
    ['X-authentik-uid', claims.sub],
    ['X-authentik-meta-jwks', facts.jwksUri],
    ['X-authentik-meta-outpost', facts.outpostName],
    ['X-authentik-meta-provider', facts.name],
    ['X-authentik-meta-app', facts.applicationSlug],
    ['X-authentik-meta-version', facts.version],
    [JWT_NAME, jwt],
  ]);
}

/**
 * Joined with `|`. A `|` in a name becomes `%7C`, and a name that already says `%7C` gets its `%` encoded, so that two
 * different lists never look alike; every other name is sent as it is.
 */
function joined(names: readonly string[]): string {
  return names.map((name) => name.replace(/%(?=7c)/gi, '%25').replaceAll('|', '%7C')).join('|');
}

/** RFC 9110 §5.5, without obs-text in JavaScript's sense: no control character but the tab. */
function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return false;
  }
  return true;
}

/** `Basic …` for the application; null when it is off or the user has no password there. */
function basicCredentials(facts: IdentityFacts, claims: Claims): string | null {
  if (!facts.basicAuth.enabled) return null;
  const attribute = (name: string): string => {
    const value = Object.hasOwn(claims.userAttributes, name) ? claims.userAttributes[name] : undefined;
    return typeof value === 'string' ? value : '';
  };
  const password = attribute(facts.basicAuth.password_attribute);
  if (password === '') return null;
  const user = attribute(facts.basicAuth.user_attribute) || claims.email;
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`;
}

/** `additionalHeaders` of the user's attributes: strings as they are, null as empty, everything else as JSON. */
function additionalHeaders(claims: Claims, hasBasic: boolean): [string, string][] {
  const map = claims.userAttributes['additionalHeaders'];
  if (!isRecord(map)) return [];
  return Object.entries(map)
    .filter(([name]) => !isReserved(name) && !(hasBasic && name.toLowerCase() === 'authorization'))
    .slice(0, MOST_ADDITIONAL)
    .map(([name, value]) => [name, typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value)]);
}

const RESERVED = new Set([
  ...[...AKPROX_NAMES, ...AUTHENTIK_NAMES, JWT_NAME].map((name) => name.toLowerCase()),
  ...[
    'connection',
    'keep-alive',
    'te',
    'trailer',
    'trailers',
    'transfer-encoding',
    'upgrade',
    'set-cookie',
    'location',
  ],
  ...['cache-control', 'date', 'host', 'server', 'status', 'uwebsockets', 'www-authenticate', 'cookie'],
]);

/** Names that a user's attributes may not set; `_` counts as `-`, because CGI-like applications cannot tell them apart. */
function isReserved(name: string): boolean {
  const lower = name.toLowerCase().replaceAll('_', '-').replaceAll('.', '-');
  return RESERVED.has(lower) || /^(?:x-authentik-|x-forwarded-|x-envoy-|x-accel-|proxy-|content-)/.test(lower);
}

/** A block taken apart again, for a listener that writes headers one by one. Values are UTF-8 bytes read as latin-1. */
export function blockHeaders(block: ArrayBuffer): [string, string][] {
  return `${BLOCK_HEADER}: ${Buffer.from(block).toString('latin1')}`.split('\r\n').map((line) => {
    const colon = line.indexOf(': ');
    return [line.slice(0, colon), line.slice(colon + 2)];
  });
}
