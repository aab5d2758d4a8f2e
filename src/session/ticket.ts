// The session cookie: `<id>.<mac>`, both base64url without padding, 43 characters each.
//   id   256 random bits
//   mac  HMAC-SHA-256 over the id under a key of this provider: a forged cookie is refused without asking the store,
//        and a session of one application is no session at another.
import { hash, randomBytes } from 'node:crypto';
import { type Application, TICKET_ID_LENGTH } from '../application/application.js';

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
  application: Application,
  random: (size: number) => Buffer = randomBytes,
): { ticket: Ticket; cookie: string } {
  const id = random(32).toString('base64url');
  return { ticket: { id, key: storeKey(id) }, cookie: `${id}.${application.keys.ticket.mac(id)}` };
}

/**
 * Null for anything that we did not issue for this application. The MAC is compared as text: base64url has several spellings of
 * the same bytes, and each accepted spelling would be one more cache entry for a client to fill.
 */
export function verifyTicket(application: Application, cookie: string): Ticket | null {
  if (cookie.length !== TICKET_LENGTH || cookie[ID_LENGTH] !== '.') return null;
  const id = cookie.slice(0, ID_LENGTH);
  const mac = application.keys.ticket.mac(id);
  if (mac === null || !endsInConstantTime(cookie, mac)) return null;
  return { id, key: storeKey(id) };
}

/** Looks at every letter whatever it finds: no early end tells how many were right. `timingSafeEqual` wants both copied first. */
function endsInConstantTime(cookie: string, mac: string): boolean {
  let difference = 0;
  for (let i = 0; i < MAC_LENGTH; i += 1) difference |= cookie.charCodeAt(ID_LENGTH + 1 + i) ^ mac.charCodeAt(i);
  return difference === 0;
}

function storeKey(id: string): string {
  return hash('sha256', id, 'base64url');
}
