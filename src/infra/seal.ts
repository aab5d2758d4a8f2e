// Sealing: AES-256-GCM, so that a stolen store or cookie can be neither read nor changed.
// Wire format: version (1 byte, 0x01) · nonce (12) · tag (16) · ciphertext. The context is authenticated, not sent.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

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
