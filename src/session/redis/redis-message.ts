// Revocations as they go over the channel: JSON, `{ v: 1, from, source, at, keys, refusedUntil?, audit? }`. What another program says
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
  { keys, source, at, refusedUntil, audit }: Revocation,
  from: string,
): { readonly text: string; readonly keys: number }[] {
  const messages = [];
  for (let i = 0; i < keys.length; i += KEYS_PER_MESSAGE) {
    const part = keys.slice(i, i + KEYS_PER_MESSAGE);
    // In the first of them: it is one thing that has happened.
    const told = i === 0 ? audit : undefined;
    const text = JSON.stringify({ v: 1, from, source, at, keys: part, refusedUntil, audit: told });
    messages.push({ text, keys: part.length });
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
  const { from, at, keys, source, refusedUntil, audit } = value;
  if (typeof from !== 'string' || typeof at !== 'number' || !isSource(source)) return null;
  if (!Array.isArray(keys) || !keys.every((key) => typeof key === 'string')) return null;
  if (refusedUntil !== undefined && typeof refusedUntil !== 'number') return null;
  const told = readAudit(audit);
  return {
    from,
    revocation: { keys, source, at, ...(refusedUntil !== undefined && { refusedUntil }), ...(told && { audit: told }) },
  };
}

/** It decides nothing: without one the sessions end all the same. */
function readAudit(value: unknown): Revocation['audit'] {
  if (!isRecord(value)) return undefined;
  const { provider, subject, sessions } = value;
  const isWhole = typeof provider === 'string' && typeof subject === 'string' && typeof sessions === 'number';
  return isWhole ? { provider, subject, sessions } : undefined;
}

function isSource(value: unknown): value is RevocationSource {
  return typeof value === 'string' && Object.hasOwn(SOURCES, value);
}
