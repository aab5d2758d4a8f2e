// The session cookie: `<id>.<mac>`, both base64url without padding, 43 characters each.
//   id   256 random bits
//   mac  HMAC-SHA-256 over the id under a key of this provider: a forged cookie is refused without asking the store,
//        and a session of one provider is no session at another.
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Provider, TICKET_ID_LENGTH } from '../provider/provider.js';

export interface Ticket {
  /** Secret: the session's sealing key comes from it. Never logged, never stored. */
  readonly id: string;
  /** SHA-256 of the id: the session's name in the store and in revocations. */
  readonly key: string;
}

const ID_LENGTH = TICKET_ID_LENGTH;
const MAC_LENGTH = 43;
export const TICKET_LENGTH = ID_LENGTH + 1 + MAC_LENGTH;

export function issueTicket(
  provider: Provider,
  random: (size: number) => Buffer = randomBytes,
): { ticket: Ticket; cookie: string } {
  const id = random(32).toString('base64url');
  return { ticket: { id, key: storeKey(id) }, cookie: `${id}.${provider.keys.ticket.mac(id)}` };
}

/** Written anew by each comparison; nothing is kept in them. */
const written = Buffer.alloc(3 * MAC_LENGTH);
const given = written.subarray(0, MAC_LENGTH);
const expected = Buffer.alloc(MAC_LENGTH);

/**
 * Null for anything that we did not issue for this provider. The MAC is compared as text, in constant time: base64url
 * has several spellings of the same bytes, and each accepted spelling would be one more cache entry for a client to fill.
 * Letters beyond ASCII take more bytes than a MAC has, and so are refused by their length.
 */
export function verifyTicket(provider: Provider, cookie: string): Ticket | null {
  if (cookie.length !== TICKET_LENGTH || cookie[ID_LENGTH] !== '.') return null;
  const id = cookie.slice(0, ID_LENGTH);
  const mac = provider.keys.ticket.mac(id);
  if (mac === null || written.write(cookie.slice(ID_LENGTH + 1), 'utf8') !== MAC_LENGTH) return null;
  expected.write(mac, 'latin1');
  if (!timingSafeEqual(given, expected)) return null;
  return { id, key: storeKey(id) };
}

function storeKey(id: string): string {
  return hash('sha256', id, 'base64url');
}
