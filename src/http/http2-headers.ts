// The heads of answers as node:http2 takes them: objects with lower-case names. Those of allowed checks are made once for a
// session, and kept while it is asked for.
import type { OutgoingHttpHeaders } from 'node:http2';
import { LRUCache } from 'lru-cache';
import { blockHeaders } from '../application/identity.js';
import { uncontrolled } from './answer.js';
import type { Allow } from './decision.js';
import type { Dialect } from './dialects.js';
import type { Reply } from './exchange.js';

/** Sessions whose heads are kept, a few KiB each: not a part of what `cache.max_bytes` bounds. To make one takes a tenth of a check. */
const KEPT = 2_048;

interface Heads {
  plain: OutgoingHttpHeaders | null;
  /** With `Dialect.removeHeader`. */
  removing: OutgoingHttpHeaders | null;
}

/** Of allowed checks, by their block: a session that has ended has no entry that would lead to it any more. */
export class AllowHeads {
  private readonly heads = new LRUCache<ArrayBuffer, Heads>({ max: KEPT });

  /** HOT PATH. Node.js copies it before it adds anything. */
  of(allow: Allow, dialect: Dialect): OutgoingHttpHeaders {
    const heads = this.heads.get(allow.block) ?? this.keep(allow.block);
    if (dialect.removeHeader === '' || allow.application.headersToRemove === '') {
      heads.plain ??= headOf(allow.block);
      return heads.plain;
    }
    heads.removing ??= { ...headOf(allow.block), [dialect.removeHeader]: allow.application.headersToRemove };
    return heads.removing;
  }

  private keep(block: ArrayBuffer): Heads {
    const heads: Heads = { plain: null, removing: null };
    this.heads.set(block, heads);
    return heads;
  }
}

/** A block has each name once. */
function headOf(block: ArrayBuffer): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = { ':status': 200, 'content-length': '0' };
  for (const [name, value] of blockHeaders(block)) head[name.toLowerCase()] = value;
  return head;
}

/**
 * Node.js writes the low byte of each character and looks at none of them, so they are bytes already: UTF-8, as the other listeners
 * send them, without control characters.
 */
export function headOfReply({ status, headers, body }: Reply): OutgoingHttpHeaders {
  const head: OutgoingHttpHeaders = { ':status': status };
  if (status !== 204) head['content-length'] = String(Buffer.byteLength(body));
  for (const [name, value] of headers) {
    const key = name.toLowerCase();
    const bytes = Buffer.from(uncontrolled(value), 'utf8').toString('latin1');
    const before = head[key];
    head[key] = before === undefined ? bytes : [before, bytes].flat().map(String);
  }
  return head;
}
