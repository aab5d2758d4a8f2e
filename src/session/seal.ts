// Sealing: AES-256-GCM, so that a stolen store or cookie can be neither read nor changed.
// Wire format: version (1 byte, 0x01) · nonce (12) · tag (16) · ciphertext. The context is authenticated, not sent.
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import type { Application } from '../application/application.js';
import { hmacOnce } from '../infra/hmac.js';

const VERSION = 1;
const HEAD = 29;

/** `key`: 32 bytes. `context` must be the same to open it: it ties a sealed value to the place where it belongs. */
export function seal(
  key: Uint8Array,
  context: string,
  plain: Uint8Array,
  random: (size: number) => Buffer = randomBytes,
): Buffer {
  const nonce = random(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(Buffer.from(context, 'utf8'));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), body]);
}

/** Null for whatever was not sealed under this key for this context: truncated, foreign, tampered with. */
export function unseal(key: Uint8Array, context: string, sealed: Uint8Array): Buffer | null {
  if (sealed.length < HEAD || sealed[0] !== VERSION) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 13));
  decipher.setAAD(Buffer.from(context, 'utf8'));
  decipher.setAuthTag(sealed.subarray(13, HEAD));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEAD)), decipher.final()]);
  } catch {
    return null;
  }
}

/** The key of one session, from its id alone: whoever reads the store has hashes of ids and so no key. One HKDF-Expand
 * step (RFC 5869 §2.3); the extract step adds nothing to 256 random bits. */
export function sessionKey(id: string): Buffer {
  return hmacOnce(Buffer.from(id, 'base64url'), 'akprox session v1\x01');
}

/** Keyed hash for an index of the store: a `sub` is often an e-mail address, so a plain hash could be guessed. */
export function indexHash(application: Application, kind: 'sub' | 'sid' | 'assertion', value: string): string {
  return createHmac('sha256', application.keys.index).update(`${kind}\0${value}`).digest('base64url');
}
