// What the store sees of a session's secrets and of its user: a key that only the cookie leads to, and hashes that nobody can guess.
import { createHmac } from 'node:crypto';
import type { Application } from '../application/application.js';

/** The key of one session, from its id alone: whoever reads the store has hashes of ids and so no key. One HKDF-Expand
 * step (RFC 5869 §2.3); the extract step adds nothing to 256 random bits. */
export function sessionKey(id: string): Buffer {
  return createHmac('sha256', Buffer.from(id, 'base64url')).update('akprox session v1\x01').digest();
}

/** Keyed hash for an index of the store: a `sub` is often an e-mail address, so a plain hash could be guessed. */
export function indexHash(application: Application, kind: 'sub' | 'sid' | 'assertion', value: string): string {
  return createHmac('sha256', application.keys.index).update(`${kind}\0${value}`).digest('base64url');
}
