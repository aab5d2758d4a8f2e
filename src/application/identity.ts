// Identity headers: from claims to one block of bytes that an allowed check is answered with. Rendered once, when a session
// enters the cache; written with a single `writeHeader(BLOCK_HEADER, block)`, whose value carries every further header
// line. That trick is response splitting on purpose, so the guard against the other kind stands right beside it: every name
// is a token and no value has a control character, or it is emptied and reported.
import { isRecord } from '../infra/untyped.js';
import type { Claims } from './claims.js';

export interface IdentityFacts {
  /** Name of the provider. */
  readonly name: string;
  readonly families: readonly ('akprox' | 'authentik')[];
  readonly passJwt: boolean;
  /** Whether `X-Akprox-Assertion` belongs to the set. */
  readonly assertion: boolean;
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

/** What an application is told in a token's words; '' for what is not passed on. */
export interface Tokens {
  /** For `X-authentik-jwt`. */
  readonly jwt: string;
  /** For `X-Akprox-Assertion`. */
  readonly assertion: string;
}

export const NO_TOKENS: Tokens = { jwt: '', assertion: '' };

export interface IdentityBlock {
  readonly bytes: ArrayBuffer;
  /** Names of headers that lost their value, and of additional headers that were left out; printable, for logs. */
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
const ASSERTION_NAME = 'X-Akprox-Assertion';

/** Every name that an application may believe, whatever is set: no client's value of these may reach it. */
export const IDENTITY_NAMES: readonly string[] = [...AKPROX_NAMES, ...AUTHENTIK_NAMES, JWT_NAME, ASSERTION_NAME];

const NO_VALUES: ReadonlyMap<string, string> = new Map();
const TOKEN = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/;
const SPACE = 0x20;
const MOST_ADDITIONAL = 64;
/** Bytes of a block, unless `headers.max_bytes` says otherwise. The files in deploy/proxies grant twice as much to a whole head. */
export const DEFAULT_MAX_BYTES = 16_384;

/** Every name that an allowed check carries, empty or not. */
export function identityHeaderNames(
  families: readonly ('akprox' | 'authentik')[],
  passJwt: boolean,
  assertion: boolean,
): string[] {
  return [
    ...(families.includes('akprox') ? AKPROX_NAMES : []),
    ...(families.includes('authentik') ? AUTHENTIK_NAMES : []),
    ...(passJwt ? [JWT_NAME] : []),
    ...(assertion ? [ASSERTION_NAME] : []),
  ];
}

/** `claims` null: nobody is signed in (an allow-listed path), and the whole set is there with empty values. */
export function renderIdentity(
  facts: IdentityFacts,
  claims: Claims | null,
  tokens: Tokens,
  onDropped: (header: string) => void = () => {},
): IdentityBlock {
  const values = claims === null ? NO_VALUES : identityValues(facts, claims, tokens);
  const dropped: string[] = [];
  const lines: string[] = [BLOCK_VALUE];
  const drop = (name: string): void => {
    const shown = name.slice(0, 128).replace(/[^\x21-\x7e]/g, '?');
    dropped.push(shown);
    onDropped(shown);
  };
  const add = (name: string, raw: string): void => {
    const valid = isFieldValue(raw);
    if (!valid) drop(name);
    lines.push(headerLine(name, valid ? raw : ''));
  };
  for (const name of identityHeaderNames(facts.families, facts.passJwt, facts.assertion))
    add(name, values.get(name) ?? '');

  if (claims !== null) {
    const taken = new Set<string>();
    const basic = basicCredentials(facts, claims);
    if (basic === 'invalid') drop('Authorization');
    else if (basic !== null) {
      add('Authorization', basic.value);
      taken.add('authorization');
    }
    for (const [index, [name, value]] of Object.entries(additionalHeaders(claims)).entries()) {
      const alike = comparableName(name);
      if (index >= MOST_ADDITIONAL || !TOKEN.test(name) || isReserved(alike) || taken.has(alike)) {
        drop(name);
      } else {
        taken.add(alike);
        add(name, headerText(value));
      }
    }
  }
  // An ArrayBuffer of its own, as long as the text: a Buffer's may be a slice of Node's shared pool.
  const text = lines.join('\r\n');
  const bytes = new ArrayBuffer(Buffer.byteLength(text));
  Buffer.from(bytes).write(text);
  return { bytes, dropped };
}

/**
 * One line of the block, without its end; `value` has no control character. Outer spaces go, because every reader of HTTP takes
 * them off; other white space stays: taking it off here could turn one user's name into another's.
 */
function headerLine(name: string, value: string): string {
  return value === '' ? `${name}: ` : `${name}: ${trimSpaces(value).toWellFormed()}`;
}

function identityValues(facts: IdentityFacts, claims: Claims, tokens: Tokens): Map<string, string> {
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
    [JWT_NAME, tokens.jwt],
    [ASSERTION_NAME, tokens.assertion],
  ]);
}

/**
 * Joined with `|`. A `|` in a name becomes `%7C`, and a `%` that looks like the beginning of an escape becomes `%25`, so that
 * splitting and decoding gives back what went in and two different lists never look alike (`%7C`, `%257C` and `|` are three
 * groups). Every other name is sent as it is.
 */
function joined(names: readonly string[]): string {
  return names.map((name) => name.replace(/%(?=[0-9a-f]{2})/gi, '%25').replaceAll('|', '%7C')).join('|');
}

/** Narrower than RFC 9110 §5.5, which lets a tab through: no control character at all. */
function isFieldValue(value: string): boolean {
  for (let i = 0; i < value.length; i += 1) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return false;
  }
  return true;
}

/** Not a regular expression: `/ +$/` takes quadratic time over spaces inside a value. */
function trimSpaces(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && value.charCodeAt(start) === SPACE) start += 1;
  while (end > start && value.charCodeAt(end - 1) === SPACE) end -= 1;
  return value.slice(start, end);
}

/**
 * `Basic …` for the application; null when it is off or the user has no password there. `invalid` for what RFC 7617 §2
 * cannot carry: a user name with a colon would move the border between name and password.
 */
function basicCredentials(facts: IdentityFacts, claims: Claims): { readonly value: string } | 'invalid' | null {
  if (!facts.basicAuth.enabled) return null;
  const attribute = (name: string): string => {
    const value = Object.hasOwn(claims.userAttributes, name) ? claims.userAttributes[name] : undefined;
    return typeof value === 'string' ? value : '';
  };
  const password = attribute(facts.basicAuth.password_attribute);
  if (password === '') return null;
  const user = attribute(facts.basicAuth.user_attribute) || claims.email;
  if (user.includes(':') || !isFieldValue(user) || !isFieldValue(password)) return 'invalid';
  return { value: `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}` };
}

/**
 * `additionalHeaders` of the user's attributes. As at authentik they may set `Authorization` (a key for this application, say),
 * as long as `basic_auth` did not.
 */
function additionalHeaders(claims: Claims): Readonly<Record<string, unknown>> {
  const headers = Object.hasOwn(claims.userAttributes, 'additionalHeaders')
    ? claims.userAttributes['additionalHeaders']
    : undefined;
  return isRecord(headers) ? headers : {};
}

/** Strings as they are, null as empty, everything else as JSON. */
function headerText(value: unknown): string {
  if (typeof value === 'string') return value;
  return value === null ? '' : (JSON.stringify(value) ?? '');
}

/** CGI-like applications see every mark as `_`, so that `X_Auth_Username` and `X.Auth.Username` are one header to them. */
function comparableName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-');
}

const RESERVED = new Set(
  [
    ...IDENTITY_NAMES,
    ...['Connection', 'Keep-Alive', 'TE', 'Trailer', 'Trailers', 'Transfer-Encoding', 'Upgrade'],
    ...['Set-Cookie', 'Cookie', 'Location', 'WWW-Authenticate', 'Cache-Control', 'Date', 'Server', 'uWebSockets'],
    ...['Host', 'Status', 'Forwarded', 'X-Real-IP'],
  ].map(comparableName),
);

/** Names that a user's attributes may not set: who the user is, how the connection works, what the answer means. */
function isReserved(comparable: string): boolean {
  return (
    RESERVED.has(comparable) ||
    /^(?:x-akprox-|x-authentik-|x-forwarded-|x-envoy-|x-accel-|proxy-|content-)/.test(comparable)
  );
}

/** A block taken apart again, for a listener that writes headers one by one. Values are UTF-8 bytes read as latin-1. */
export function blockHeaders(block: ArrayBuffer): [string, string][] {
  return `${BLOCK_HEADER}: ${Buffer.from(block).toString('latin1')}`.split('\r\n').map((line) => {
    const colon = line.indexOf(': ');
    return [line.slice(0, colon), line.slice(colon + 2)];
  });
}

/** Whose block it is, as far as it says: '' for nobody. */
export function personOfBlock(block: ArrayBuffer): Pick<Claims, 'sub' | 'preferredUsername'> {
  const bytes = Buffer.from(block);
  return {
    sub: valueIn(bytes, 'X-Forwarded-User') ?? valueIn(bytes, 'X-authentik-uid') ?? '',
    preferredUsername: valueIn(bytes, 'X-Auth-Username') ?? valueIn(bytes, 'X-authentik-username') ?? '',
  };
}

/** No value has a line end in it, and the names of identity headers come but once. */
function valueIn(block: Buffer, name: string): string | null {
  const before = `\r\n${name}: `;
  const at = block.indexOf(before);
  if (at === -1) return null;
  const end = block.indexOf('\r\n', at + before.length);
  return block.toString('utf8', at + before.length, end === -1 ? block.length : end);
}
