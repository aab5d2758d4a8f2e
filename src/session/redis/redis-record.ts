// A session as it lies in Redis: what the indexes need to be cleaned up, then the sealed value. Hashes only.
// Format: 0x01 · expiry (IEEE double, big-endian, Unix ms) · three texts (length in one byte, then bytes): subject, sid, hash of
// the provider's name · sealed value.

export interface StoredRecord {
  readonly expiresAt: number;
  readonly subject: string;
  readonly sid: string;
  readonly provider: string;
  readonly value: Uint8Array;
}

const FORMAT = 1;
const FIXED = 9;
const TEXTS = 3;
const SID = 1;
export const MAX_TEXT_BYTES = 255;

export function encodeRecord(record: StoredRecord): Buffer {
  const head = Buffer.alloc(FIXED);
  head[0] = FORMAT;
  head.writeDoubleBE(record.expiresAt, 1);
  const parts: Uint8Array[] = [head];
  for (const text of [record.subject, record.sid, record.provider]) {
    const bytes = Buffer.from(text);
    parts.push(Buffer.of(bytes.length), bytes);
  }
  parts.push(record.value);
  return Buffer.concat(parts);
}

/** Null for anything that is not such a record. `value` is a view into `bytes`. */
export function decodeRecord(bytes: Buffer): StoredRecord | null {
  const value = sealedIn(bytes);
  if (value === null) return null;
  const texts: string[] = [];
  for (let at = FIXED; texts.length < TEXTS; ) {
    const end = textEnd(bytes, at);
    texts.push(bytes.toString('utf8', at + 1, end));
    at = end;
  }
  const [subject = '', sid = '', provider = ''] = texts;
  return { expiresAt: expiryOf(bytes), subject, sid, provider, value };
}

/** The sealed value alone, a view into `bytes`; null for anything that is not such a record. */
export function sealedIn(bytes: Buffer): Buffer | null {
  if (bytes.length < FIXED || bytes[0] !== FORMAT || !(expiryOf(bytes) >= 0)) return null;
  let at = FIXED;
  for (let i = 0; i < TEXTS; i += 1) {
    const end = textEnd(bytes, at);
    if (at >= bytes.length || end > bytes.length) return null;
    // Only a sid may be empty.
    if (end === at + 1 && i !== SID) return null;
    at = end;
  }
  return bytes.subarray(at);
}

/** Of what is such a record. */
export function expiryOf(bytes: Buffer): number {
  return bytes.readDoubleBE(1);
}

function textEnd(bytes: Buffer, at: number): number {
  return at + 1 + (bytes[at] ?? 0);
}
