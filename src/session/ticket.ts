// The session cookie: `<id>.<mac>`, both base64url without padding, 43 characters each.
//   id   256 random bits
//   mac  HMAC-SHA-256 over the id under a key of this provider: a forged cookie is refused without asking the store,
//        and a session of one provider is no session at another.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Provider } from '../provider/provider.js';

export interface Ticket {
  /** Secret: the session's sealing key comes from it. Never logged, never stored. */
  readonly id: string;
  /** SHA-256 of the id: the session's name in the store and in revocations. */
  readonly key: string;
}

const ID_LENGTH = 43;
export const TICKET_LENGTH = ID_LENGTH * 2 + 1;

export function issueTicket(
  provider: Provider,
  random: (size: number) => Buffer = randomBytes,
): { ticket: Ticket; cookie: string } {
  const id = random(32).toString('base64url');
  return { ticket: { id, key: storeKey(id) }, cookie: `${id}.${macOf(provider, id)}` };
}

/**
 * Null for anything that we did not issue for this provider. The MAC is compared as text, in constant time: base64url
 * has several spellings of the same bytes, and each accepted spelling would be one more cache entry for a client to fill.
 */
export function verifyTicket(provider: Provider, cookie: string): Ticket | null {
  if (cookie.length !== TICKET_LENGTH || cookie[ID_LENGTH] !== '.') return null;
  const id = cookie.slice(0, ID_LENGTH);
  const given = Buffer.from(cookie.slice(ID_LENGTH + 1), 'latin1');
  if (!timingSafeEqual(given, Buffer.from(macOf(provider, id), 'latin1'))) return null;
  return { id, key: storeKey(id) };
}

function macOf(provider: Provider, id: string): string {
  return createHmac('sha256', provider.keys.ticket).update(id, 'latin1').digest('base64url');
}

function storeKey(id: string): string {
  return createHash('sha256').update(id, 'latin1').digest('base64url');
}
