// Revocations as they go over the channel: JSON, `{ v: 1, from, source, at, keys, refusedUntil? }`. What another program says
// on it, or a newer version of this one, is no message.
import { isRecord } from '../../infra/untyped.js';
import type { Revocation, RevocationSource } from '../revocation.js';

/** Keys in one message: some 20 KiB. */
const KEYS_PER_MESSAGE = 400;
/** A record, so that a new source cannot be forgotten here. */
const SOURCES: Readonly<Record<RevocationSource, true>> = {
  sign_out: true,
  replaced: true,
  backchannel: true,
  frontchannel: true,
  authentik: true,
  refresh: true,
  operator: true,
};

/** In as many messages as it takes. `from`: who says so. */
export function encodeRevocation(
  { keys, source, at, refusedUntil }: Revocation,
  from: string,
): { readonly text: string; readonly keys: number }[] {
  const messages = [];
  for (let i = 0; i < keys.length; i += KEYS_PER_MESSAGE) {
    const part = keys.slice(i, i + KEYS_PER_MESSAGE);
    messages.push({ text: JSON.stringify({ v: 1, from, source, at, keys: part, refusedUntil }), keys: part.length });
  }
  return messages;
}

/** Null for anything else. */
export function decodeRevocation(text: string): { from: string; revocation: Revocation } | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value) || value['v'] !== 1) return null;
  const { from, at, keys, source, refusedUntil } = value;
  if (typeof from !== 'string' || typeof at !== 'number' || !isSource(source)) return null;
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) return null;
  if (refusedUntil !== undefined && typeof refusedUntil !== 'number') return null;
  return { from, revocation: { keys, source, at, ...(refusedUntil !== undefined && { refusedUntil }) } };
}

function isSource(value: unknown): value is RevocationSource {
  return typeof value === 'string' && Object.hasOwn(SOURCES, value);
}
