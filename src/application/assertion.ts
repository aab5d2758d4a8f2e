// The signed assertion (contract §2.3): who is signed in, in words that an application can verify by itself. What it says and how
// long it counts; session/sign-assertion.ts signs it.
import type { Application } from './application.js';
import type { Claims } from './claims.js';

/** Milliseconds from when it was signed. */
const ASSERTION_LIFETIME = 300_000;
/** How old an assertion may be when it is sent: the application still has to read it, by a clock of its own. */
export const OLDEST_ASSERTION = 290_000;
/** From this age on there is time for a new one to be signed in the background before the old one is too old. */
export const ASSERTION_RENEWED_AT = 240_000;

/** What an application compares `iss` with; its keys are at `<issuer>/jwks.json`. */
function assertionIssuer(application: Application): string {
  return `${application.origin}${application.prefix}`;
}

/**
 * `now`: Unix milliseconds. `aud` is the origin of `external_host`: in `forward_domain` that of the login host, for every host of
 * the domain, because one session serves them all.
 */
export function assertionPayload(application: Application, claims: Claims, now: number): Record<string, unknown> {
  const iat = Math.floor(now / 1_000);
  return {
    iss: assertionIssuer(application),
    aud: application.origin,
    sub: claims.sub,
    email: claims.email,
    preferred_username: claims.preferredUsername,
    groups: claims.groups,
    iat,
    exp: iat + ASSERTION_LIFETIME / 1_000,
  };
}
