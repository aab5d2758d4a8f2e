// Our own paths on the hosts of others: the two prefixes, the steps below them that a proxy may also ask a check about, and the
// two marks in a query that authentik's redirect URI and sign-out link bear (contract §1). Spelled here and nowhere else.

export const PREFIXES = ['/akprox', '/outpost.goauthentik.io'] as const;

/** Of the configuration file, and of authentik, which registers redirect URIs below its own. */
export const [FILE_PREFIX, AUTHENTIK_PREFIX] = PREFIXES;

export const PING = '/ping';
/** Behind a prefix: where Envoy asks, with the browser's path behind it. */
export const ENVOY_CHECK = '/auth/envoy';

/** What the check itself runs when a proxy asks about it instead of routing it to us. */
const IN_BAND_STEPS = ['start', 'callback', 'sign_out', 'signed_out'] as const;
export type InBandStep = (typeof IN_BAND_STEPS)[number];

export const CALLBACK_SIGNATURE = 'X-authentik-auth-callback';
const SIGN_OUT_SIGNATURE = 'X-authentik-logout';
const SIGNATURES = [CALLBACK_SIGNATURE.toLowerCase(), SIGN_OUT_SIGNATURE.toLowerCase()];

const PREFIX = `/(?:${PREFIXES.map((prefix) => prefix.slice(1).replaceAll('.', '\\.')).join('|')})`;
const STEP = `${PREFIX}/(${IN_BAND_STEPS.join('|')})`;
const IN_BAND = new RegExp(`^${STEP}$`);
const LIKE_A_STEP = new RegExp(`^${STEP}(?:[/;]|$)`);

/** Behind the prefix that `path` is below; null when it is below none. */
export function belowPrefix(path: string): string | null {
  const prefix = PREFIXES.find((candidate) => path === candidate || path.startsWith(`${candidate}/`));
  return prefix === undefined ? null : path.slice(prefix.length);
}

/** HOT PATH. Whether path and query may be a step of ours: a cheap question that is allowed to say yes too often, never no. */
export function mayBeOwnStep(uri: string): boolean {
  // The prefixes as literals: V8 compares with a literal in place, and calls a function for anything else.
  if (startsWith.call(uri, '/akprox/') || startsWith.call(uri, '/outpost.goauthentik.io/')) return true;
  const mark = indexOf.call(uri, '?');
  return mark !== -1 && uri.length - mark > SHORTEST_SIGNATURE && indexOf.call(uri, 'X-authentik-', mark) !== -1;
}

/** Not as methods: see http/cookies.ts. */
const { indexOf, startsWith } = String.prototype;
const SHORTEST_SIGNATURE = `${SIGN_OUT_SIGNATURE}=true`.length;

/** Exactly `P/start`, `P/callback`, `P/sign_out`, `P/signed_out`, or one of the two signatures. Look-alikes are not ours. */
export function inBandStep(path: string, query: string): InBandStep | null {
  const match = IN_BAND.exec(path);
  return match === null ? signatureStep(query) : (match[1] as InBandStep);
}

/** Counts on any path of an application's host: the redirect URI may be the bare `external_host`. */
export function signatureStep(query: string): 'callback' | 'sign_out' | null {
  if (!query.includes('X-authentik-')) return null;
  const params = new URLSearchParams(query);
  if (isTrue(params.get(CALLBACK_SIGNATURE))) return 'callback';
  if (isTrue(params.get(SIGN_OUT_SIGNATURE))) return 'sign_out';
  return null;
}

/** Whether an identity provider's answer leads there, for URLs that somebody else wrote. `path`: with single slashes. */
export function isCallback(path: string, parameters: URLSearchParams): boolean {
  return IN_BAND.exec(path)?.[1] === 'callback' || isTrue(parameters.get(CALLBACK_SIGNATURE));
}

/** Whether a login that leads there would lead into a step of ours, in whatever spelling. `path`: decoded, with single slashes. */
export function leadsToOwnStep(path: string, parameters: Iterable<string>): boolean {
  return LIKE_A_STEP.test(path) || [...parameters].some((name) => SIGNATURES.includes(name.toLowerCase()));
}

function isTrue(value: string | null): boolean {
  return value?.toLowerCase() === 'true';
}
