// Keys and records of the embedded store, as they lie in LMDB: bytes that sort as they should, and numbers big-endian.
import { AkproxError } from '../../infra/errors.js';
import type { SealedSession } from '../store.js';

const FORMAT = 1;
/** Of a session's record: format (1 byte), expiry (8). The sealed value follows. */
const HEADER = 9;

/** Whose a session is: what it has to be taken out of the indexes by. */
export interface Owner {
  readonly provider: string;
  readonly subject: string;
  readonly sid: string;
}

/** Not negative, so that the bytes of the IEEE double, big-endian, sort like the number. */
export function expiryBytes(milliseconds: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleBE(Math.max(0, milliseconds));
  return bytes;
}

export function expiryKey(milliseconds: number, key: string): Buffer {
  return Buffer.concat([expiryBytes(milliseconds), Buffer.from(key)]);
}

export function indexKey(hash: string, key: string): Buffer {
  return Buffer.from(`${hash}\0${key}`);
}

/** A session's record. */
export function recordBytes({ expiresAt, value }: Pick<SealedSession, 'expiresAt' | 'value'>): Buffer {
  return Buffer.concat([Buffer.from([FORMAT]), expiryBytes(expiresAt), value]);
}

export function sealedValueOf(record: Buffer): Uint8Array {
  return new Uint8Array(record.subarray(HEADER));
}

/** Null for what is no record. */
export function expiryOf(record: Buffer): number | null {
  if (record.length < HEADER || record[0] !== FORMAT) return null;
  const expiry = record.readDoubleBE(1);
  return expiry >= 0 ? expiry : null; // false for NaN
}

export function ownerText(owner: Owner): string {
  return `${owner.provider}\0${owner.subject}\0${owner.sid}`;
}

export function parseOwner(bytes: Buffer): Owner {
  const [provider = '', subject = '', sid = ''] = bytes.toString().split('\0');
  return { provider, subject, sid };
}

/** Unix milliseconds; 0 for what is no lease. */
export function leaseEnd(lease: Buffer | undefined): number {
  return lease !== undefined && lease.length > 8 ? Number(lease.readBigUInt64BE(0)) : 0;
}

/** `until` in Unix milliseconds. */
export function leaseBytes(until: number, token: string): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(Math.ceil(until)));
  return Buffer.concat([bytes, Buffer.from(token)]);
}

export function leaseToken(lease: Buffer): string {
  return lease.subarray(8).toString();
}

export function countBytes(count: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(count);
  return bytes;
}

export function readCount(bytes: Buffer | undefined): number {
  return bytes?.length === 4 ? bytes.readUInt32BE() : 0;
}

/** Checked before a transaction begins, because nothing may throw between its writes. LMDB's keys end at 1 978 bytes. */
export function checkNames(session: SealedSession): void {
  for (const name of ['key', 'subject', 'sid', 'provider'] as const) {
    const text = session[name];
    const empty = text === '' && name !== 'sid';
    if (empty || text.includes('\0') || Buffer.byteLength(text) > 900) {
      throw new AkproxError('internal', `a session's ${name} is empty, too long or not safe in a key`);
    }
  }
  if (Number.isNaN(session.expiresAt)) throw new AkproxError('internal', "a session's expiresAt is not a number");
}
