// Sealing: AES-256-GCM, so that a stolen store or cookie can be neither read nor changed.
// Wire format: version (1 byte, 0x01) · nonce (12) · tag (16) · ciphertext. The context is authenticated, not sent.
import { createCipheriv, createDecipheriv, type DecipherGCM, randomBytes } from 'node:crypto';

const VERSION = 1;
const HEAD = 29;

/**
 * `key`: 32 bytes. `context` must be the same to open it: it ties a sealed value to the place where it belongs. '' where the key does
 * that already.
 */
export function seal(
  key: Uint8Array,
  context: string,
  plain: Uint8Array,
  random: (size: number) => Buffer = randomBytes,
): Buffer {
  const nonce = random(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  if (context !== '') cipher.setAAD(Buffer.from(context, 'utf8'));
  const body = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.getAuthTag(), body]);
}

/** Null for whatever was not sealed under this key for this context: truncated, foreign, tampered with. */
export function unseal(key: Uint8Array, context: string, sealed: Uint8Array): Buffer | null {
  const decipher = decipherFor(key, sealed);
  if (decipher === null) return null;
  if (context !== '') decipher.setAAD(Buffer.from(context, 'utf8'));
  try {
    // GCM is a stream: `final` compares the tag and brings nothing more.
    const plain = decipher.update(sealed.subarray(HEAD));
    decipher.final();
    return plain;
  } catch {
    return null;
  }
}

/** As `unseal`, where the context is '': the first `length` bytes as a Buffer whose ArrayBuffer has nothing else, and the others. */
export function unsealParts(key: Uint8Array, sealed: Uint8Array, length: number): readonly [Buffer, Buffer] | null {
  const decipher = decipherFor(key, sealed);
  if (decipher === null) return null;
  try {
    const first = decipher.update(sealed.subarray(HEAD, HEAD + length));
    const others = decipher.update(sealed.subarray(HEAD + length));
    decipher.final();
    return [first, others];
  } catch {
    return null;
  }
}

function decipherFor(key: Uint8Array, sealed: Uint8Array): DecipherGCM | null {
  if (sealed.length < HEAD || sealed[0] !== VERSION) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, 13));
  decipher.setAuthTag(sealed.subarray(13, HEAD));
  return decipher;
}
