// What the store sees of a session's secrets and of its user: a key that only the cookie leads to, and hashes that nobody can guess.
import { createHmac, hash } from 'node:crypto';
import type { Application } from '../application/application.js';

/**
 * The key of one session at one application, from its id alone: whoever reads the store has hashes of ids and
 * so no key. The one-step derivation of NIST SP 800-56C (§4.1: counter, secret, context), which is one call of a hash.
 */
export function recordKey(application: Application, id: string): Buffer {
  // As text first: a hash that gives a Buffer takes twice as long.
  return Buffer.from(hash('sha256', `\0\0\0\x01${id}akprox session v2\0${application.id}`, 'binary'), 'latin1');
}

/** The same for a record of the first format, which is bound to its application by the context that it is sealed in. */
export function firstRecordKey(id: string): Buffer {
  return createHmac('sha256', Buffer.from(id, 'base64url')).update('akprox session v1\x01').digest();
}

/** Keyed hash for an index of the store: a `sub` is often an e-mail address, so a plain hash could be guessed. */
export function indexHash(
  application: Application,
  kind: 'sub' | 'sid' | 'no sid' | 'assertion',
  value: string,
): string {
  return createHmac('sha256', application.keys.index).update(`${kind}\0${value}`).digest('base64url');
}

/** Where a session stands among those of a `sid`: those of a person at an identity provider that named none stand together. */
export function sidHash(
  application: Application,
  { sid, sub }: { readonly sid: string; readonly sub: string },
): string {
  return sid === '' ? indexHash(application, 'no sid', sub) : indexHash(application, 'sid', sid);
}
