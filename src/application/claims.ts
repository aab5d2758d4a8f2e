// The claims that akprox uses, in one shape whatever the identity provider sent. Missing members are empty, never absent.
import { isRecord, textOf, textsOf } from '../infra/untyped.js';

export interface Claims {
  /** `sub`, 1 to 255 characters (OIDC Core §2). */
  readonly sub: string;
  /** `sid`, or '' when the identity provider sends none (OIDC Front-Channel Logout §3). */
  readonly sid: string;
  readonly email: string;
  readonly emailVerified: boolean | null;
  readonly name: string;
  readonly preferredUsername: string;
  readonly groups: readonly string[];
  readonly entitlements: readonly string[];
  /** `ak_proxy.user_attributes`: what basic auth and additional headers are taken from. */
  readonly userAttributes: Readonly<Record<string, unknown>>;
}

/** Reads claims from an ID token, an access-token JWT or an introspection answer. Wrong types count as missing. */
export function readClaims(payload: Readonly<Record<string, unknown>>): Claims {
  const proxy = isRecord(payload['ak_proxy']) ? payload['ak_proxy'] : {};
  return {
    sub: textOf(payload['sub']),
    sid: textOf(payload['sid']),
    email: textOf(payload['email']),
    emailVerified: typeof payload['email_verified'] === 'boolean' ? payload['email_verified'] : null,
    name: textOf(payload['name']),
    preferredUsername: textOf(payload['preferred_username']),
    groups: textsOf(payload['groups']),
    entitlements: textsOf(payload['entitlements']),
    userAttributes: isRecord(proxy['user_attributes']) ? proxy['user_attributes'] : {},
  };
}
