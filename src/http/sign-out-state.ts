// What a sign-out has to remember until the browser is at P/signed_out: sealed into `state`, which the identity provider hands back
// (OIDC RP-Initiated Logout 1.0 §2 and §3). The server keeps nothing.
import type { Application } from '../application/application.js';
import { acceptReturnUrl } from '../application/return-url.js';
import { seal, unseal } from '../infra/seal.js';
import { isRecord } from '../infra/untyped.js';

/** What became of the identity provider's own session: it was sent to be ended, cannot be ended from here, or could not this time. */
const IDP_SESSIONS = ['sent', 'kept', 'unreachable'] as const;
export type IdpSession = (typeof IDP_SESSIONS)[number];

export interface SignOutState {
  readonly idpSession: IdpSession;
  /** Where to go from the page (`rd`), validated; null when nobody has said. */
  readonly target: string | null;
  /** Go on to a login as somebody else at once. */
  readonly somebodyElse: boolean;
}

const LIFETIME = 600_000;
/** With the hint it makes a URL of some 5 KiB, which servers and proxies take. */
const LONGEST = 2_048;
const CONTEXT = 'sign-out';

/** A target that makes it too long is left out. */
export function sealSignOut(application: Application, ended: SignOutState, now: number): string {
  const plain = Buffer.from(JSON.stringify({ ...ended, startedAt: now }), 'utf8');
  const state = seal(application.keys.signOut, CONTEXT, plain).toString('base64url');
  return state.length <= LONGEST || ended.target === null
    ? state
    : sealSignOut(application, { ...ended, target: null }, now);
}

/** Null for anything else, and for what was begun more than ten minutes ago. */
export function openSignOut(application: Application, rawQuery: string, now: number): SignOutState | null {
  const states = new URLSearchParams(rawQuery).getAll('state');
  const [state = ''] = states;
  if (states.length !== 1 || state.length > LONGEST) return null;
  const plain = unseal(application.keys.signOut, CONTEXT, Buffer.from(state, 'base64url'));
  if (plain === null) return null;
  const opened: unknown = JSON.parse(plain.toString('utf8'));
  if (!isRecord(opened)) return null;
  const { target, startedAt } = opened;
  const idpSession = IDP_SESSIONS.find((one) => one === opened['idpSession']);
  if (idpSession === undefined || typeof startedAt !== 'number' || Math.abs(now - startedAt) >= LIFETIME) return null;
  // Once more: the configuration may have changed.
  return {
    idpSession,
    target: typeof target === 'string' ? acceptReturnUrl(target, application.returnTarget) : null,
    somebodyElse: opened['somebodyElse'] === true,
  };
}
