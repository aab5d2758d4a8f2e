// The claims that akprox uses, in one shape whatever the provider sent. Missing members are empty, never absent.
import { isRecord, textOf, textsOf } from '../infra/untyped.js';

export interface Claims {
  /** `sub`, 1 to 255 characters (OIDC Core §2). */
  readonly sub: string;
  /** `sid`, or '' when the provider sends none (OIDC Front-Channel Logout §3). */
  readonly sid: string;
  readonly email: string;
  /** Null: the provider does not say. */
  readonly emailVerified: boolean | null;
  readonly name: string;
  /** The user name: of the claim that is configured, else the e-mail address, else `sub`; so never empty for somebody. */
  readonly preferredUsername: string;
  readonly groups: readonly string[];
  readonly entitlements: readonly string[];
  /** `ak_proxy.user_attributes`: what basic auth and additional headers are taken from. */
  readonly userAttributes: Readonly<Record<string, unknown>>;
}

/** Where two of the claims are (contract §3): a path, or several of which the first that is there counts. */
export interface ClaimPaths {
  readonly username?: string | readonly string[] | undefined;
  readonly groups?: string | readonly string[] | undefined;
}

export type Payload = Readonly<Record<string, unknown>>;

/** Reads claims from an ID token, an access-token JWT or an introspection answer. Wrong types count as missing. */
export function readClaims(payload: Payload, paths: ClaimPaths = {}): Claims {
  const proxy = isRecord(payload['ak_proxy']) ? payload['ak_proxy'] : {};
  const [sub, email] = [textOf(payload['sub']), textOf(payload['email'])];
  return {
    sub,
    sid: textOf(payload['sid']),
    email,
    emailVerified: verifiedOf(payload['email_verified']),
    name: textOf(payload['name']),
    preferredUsername: usernameOf(payload, paths) || email || sub,
    groups: groupsOf(payload, paths) ?? [],
    entitlements: textsOf(payload['entitlements']),
    userAttributes: isRecord(proxy['user_attributes']) ? proxy['user_attributes'] : {},
  };
}

/** '' when none of the paths leads to a name. */
export function usernameOf(payload: Payload, { username = 'preferred_username' }: ClaimPaths): string {
  return (
    [username]
      .flat()
      .map((path) => textOf(claimAt(payload, path)))
      .find((name) => name !== '') ?? ''
  );
}

/** A list, or the keys of a map, as roles are at Zitadel. Null when none of the paths leads to either. */
export function groupsOf(payload: Payload, { groups = 'groups' }: ClaimPaths): string[] | null {
  for (const path of [groups].flat()) {
    const value = claimAt(payload, path);
    if (Array.isArray(value)) return textsOf(value);
    if (isRecord(value)) return Object.keys(value);
  }
  return null;
}

/** A claim of that very name wins; dots lead into claims, but not those of a URL. */
function claimAt(payload: Payload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  if (path.includes('://')) return undefined;
  let value: unknown = payload;
  for (const part of path.split('.')) value = isRecord(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  return value;
}

/** Cognito, Apple and PayPal send a string. What is there and does not say yes is a no. */
function verifiedOf(value: unknown): boolean | null {
  return value === undefined || value === null ? null : value === true || value === 'true';
}
