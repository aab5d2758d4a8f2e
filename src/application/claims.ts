// The claims that akprox uses, in one shape whatever the provider sent. Missing members are empty, never absent.

export interface Claims {
  /** `sub`, 1 to 255 characters (OIDC Core §2). */
  readonly sub: string;
  /** `sid`, or '' when the provider sends none (OIDC Front-Channel Logout §3). */
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
    sub: text(payload['sub']),
    sid: text(payload['sid']),
    email: text(payload['email']),
    emailVerified: typeof payload['email_verified'] === 'boolean' ? payload['email_verified'] : null,
    name: text(payload['name']),
    preferredUsername: text(payload['preferred_username']),
    groups: texts(payload['groups']),
    entitlements: texts(payload['entitlements']),
    userAttributes: isRecord(proxy['user_attributes']) ? proxy['user_attributes'] : {},
  };
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];
}
