// What lies in the store for a session, sealed under a key that its cookie and nothing else leads to (docs/decisions/5-records-begin-with-headers.md).
// The second format: 0x02 · length of the block (4 bytes) · sealed (infra/seal.ts): block · terms · JSON of the session. Integers and
// doubles are big-endian.
//   block             rendered identity headers; of no length when the session has to be looked at
//   terms             for what (16): `Application.rendering`, what the block depends on besides the session
//                     length of the block (4), once more: outside nobody vouches for it
//                     good until (8), Unix ms: from then on the session has to be looked at
//                     ends at (8), Unix ms: until when the block is served
// The first format, of former versions: the JSON alone, sealed in a context.
import type { Application } from '../application/application.js';
import { verdictOn } from '../application/verdict.js';
import type { GatedLog } from '../infra/log-gate.js';
import { seal, unseal, unsealParts } from '../infra/seal.js';
import { decodeSession, encodeSession, endOf, type Session } from './session.js';
import { firstRecordKey, recordKey } from './session-keys.js';
import { isPlain, renewalDue } from './standing.js';
import type { Ticket } from './ticket.js';

const FORMAT = 2;
const FIRST_FORMAT = 1;
const HEAD = 5;
const LENGTH = 16;
const GOOD_UNTIL = 20;
const ENDS_AT = 28;
const TERMS = 36;
const NO_BLOCK = new ArrayBuffer(0);

/** An allowed session whose headers were rendered when it was saved. */
export interface Rendered {
  readonly block: ArrayBuffer;
  /** Unix milliseconds: until when it is served. */
  readonly endsAt: number;
  /** Unix milliseconds: when it has to be decoded at the latest, to be renewed or because it is over. */
  readonly goodUntil: number;
}

export function sealRecord(application: Application, ticket: Ticket, session: Session): Buffer {
  const block = blockOf(application, session);
  const endsAt = Math.min(session.expiresAt, endOf(session));
  const terms = Buffer.alloc(TERMS);
  terms.set(application.rendering);
  terms.writeUInt32BE(block.byteLength, LENGTH);
  terms.writeDoubleBE(Math.min(endsAt, renewalDue(application, session)), GOOD_UNTIL);
  terms.writeDoubleBE(endsAt, ENDS_AT);
  const head = Buffer.alloc(HEAD);
  head[0] = FORMAT;
  head.writeUInt32BE(block.byteLength, 1);
  const plain = Buffer.concat([new Uint8Array(block), terms, encodeSession(session)]);
  return Buffer.concat([head, seal(recordKey(application, ticket.id), '', plain)]);
}

/** Whether a later version wrote it: nothing that this one could read, and nothing that is damaged. */
export function isOfLaterFormat(record: Uint8Array): boolean {
  return (record[0] ?? 0) > FORMAT;
}

/** Null for what does not open: damaged, or of another session or application. */
export function openRecord(application: Application, ticket: Ticket, record: Uint8Array): OpenRecord | null {
  if (record[0] === FORMAT && record.length >= HEAD) {
    const length = new DataView(record.buffer, record.byteOffset + 1, 4).getUint32(0);
    const parts = unsealParts(recordKey(application, ticket.id), record.subarray(HEAD), length);
    return parts === null || parts[1].length < TERMS ? null : new OpenRecord(parts[0], parts[1], TERMS);
  }
  if (record[0] !== FIRST_FORMAT) return null;
  const json = unseal(firstRecordKey(ticket.id), `${application.id}\0${ticket.key}`, record);
  return json === null ? null : new OpenRecord(NOTHING, json, 0);
}

const NOTHING = Buffer.alloc(0);

export class OpenRecord {
  private readonly block: Buffer;
  private readonly terms: Buffer;
  /** Where the JSON begins behind the block. */
  private readonly json: number;

  constructor(block: Buffer, terms: Buffer, json: number) {
    this.block = block;
    this.terms = terms;
    this.json = json;
  }

  /** What a check can be answered with, with no look at the session; null whenever that is not certain. `now`: Unix milliseconds. */
  rendered(application: Application, now: number): Rendered | null {
    const { block, terms } = this;
    if (block.length === 0 || !isFor(application, terms) || terms.readUInt32BE(LENGTH) !== block.length) return null;
    const goodUntil = terms.readDoubleBE(GOOD_UNTIL);
    if (!(now < goodUntil)) return null;
    return { block: ownBytes(block), endsAt: terms.readDoubleBE(ENDS_AT), goodUntil };
  }

  /** Null when it is none of this application. */
  session(application: Application): Session | null {
    const session = decodeSession(this.terms.subarray(this.json));
    return session?.provider === application.id ? session : null;
  }
}

function isFor({ rendering }: Application, terms: Buffer): boolean {
  for (let i = 0; i < rendering.length; i += 1) if (terms[i] !== rendering[i]) return false;
  return true;
}

/** Its ArrayBuffer; Node.js says nowhere that it has nothing else in it. */
function ownBytes({ buffer, byteOffset, byteLength }: Buffer): ArrayBuffer {
  const own = buffer as ArrayBuffer;
  return own.byteLength === byteLength ? own : own.slice(byteOffset, byteOffset + byteLength);
}

/**
 * Empty where something has to be looked at each time: an assertion is signed, somebody may not pass, a renewal is under way, or a header
 * could not be sent, which the log is told of.
 */
function blockOf(application: Application, session: Session): ArrayBuffer {
  if (application.identity.assertion || !isPlain(session)) return NO_BLOCK;
  let said = 0;
  const say = (): void => {
    said += 1;
  };
  const log: GatedLog = { debug: say, info: say, warn: say, error: say };
  const verdict = verdictOn(application, session.claims, { jwt: session.jwt, assertion: '' }, log);
  return verdict.kind === 'allow' && said === 0 ? verdict.block : NO_BLOCK;
}
