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
  if (bytes.length < FIXED || bytes[0] !== FORMAT) return null;
  const expiresAt = bytes.readDoubleBE(1);
  if (!(expiresAt >= 0)) return null;
  let at = FIXED;
  const texts: string[] = [];
  for (let i = 0; i < 3; i += 1) {
    const end = at + 1 + (bytes[at] ?? 0);
    if (at >= bytes.length || end > bytes.length) return null;
    texts.push(bytes.toString('utf8', at + 1, end));
    at = end;
  }
  const [subject = '', sid = '', provider = ''] = texts;
  if (subject === '' || provider === '') return null;
  return { expiresAt, subject, sid, provider, value: bytes.subarray(at) };
}
