// What somebody can quote who got a page, and an operator can look for in the log. A line that the gate holds back has a sister of the
// same kind, written less than a minute ago: then the page has that one's reference, so that every reference on a page is in the log.

import { boundedMap } from './bounded-map.js';
import { copyString } from './copy-string.js';
import type { GatedLog } from './log-gate.js';

/** Kinds whose last reference is remembered; of one that was pushed out the next page has none until a line is written. */
const MOST_KINDS = 4_096;
/** Without I, L, O and U, which are misread: 32 signs, five bits each. */
const SIGNS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

interface Facts {
  readonly provider: string;
  readonly code: string;
  readonly [fact: string]: unknown;
}

export class References {
  private readonly log: GatedLog;
  private readonly randomBytes: (count: number) => Uint8Array;
  private readonly last = boundedMap<string, string>(MOST_KINDS);

  constructor(log: GatedLog, randomBytes: (count: number) => Uint8Array) {
    this.log = log;
    this.randomBytes = randomBytes;
  }

  /** Writes a line with a reference, and answers with the one that is in the log; null when there is none. */
  write(level: 'info' | 'warn' | 'error', facts: Facts, text: string, about = ''): string | null {
    const kind = `${text}\0${facts.provider}\0${facts.code}\0${about}`;
    const reference = this.fresh();
    if (this.log[level]({ ...facts, reference }, text, about) === false) return this.last.get(kind) ?? null;
    this.last.set(copyString(kind), reference);
    return reference;
  }

  private fresh(): string {
    const signs = Array.from(this.randomBytes(8), (byte) => SIGNS[byte & 31]);
    return `${signs.slice(0, 4).join('')}-${signs.slice(4).join('')}`;
  }
}
