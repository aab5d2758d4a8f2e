// Signs who is signed in, for the application that wants to verify it by itself. When a session is rendered, never on a hit.
import type { Application } from '../application/application.js';
import { assertionPayload } from '../application/assertion.js';
import type { Claims } from '../application/claims.js';
import type { AssertionKeys } from './assertion-keys.js';

/** '' for an application that wants none. Rejects with `store_unavailable` as `AssertionKeys` does. */
export async function signAssertion(
  keys: AssertionKeys,
  application: Application,
  claims: Claims,
  now: number,
): Promise<string> {
  if (!application.config.headers.assertion) return '';
  const { kid, privateKey } = await keys.signing(application);
  const { SignJWT } = await import('jose');
  return new SignJWT(assertionPayload(application, claims, now))
    .setProtectedHeader({ alg: 'EdDSA', kid, typ: 'JWT' })
    .sign(privateKey);
}
