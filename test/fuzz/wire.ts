// A request before it is bytes, and the bytes with what may be answered to them.
import type { Rule } from './oracle.js';

export type Field = readonly [name: string, value: string];

export interface Draft {
  readonly method: string;
  readonly target: string;
  readonly version: string;
  readonly fields: readonly Field[];
  readonly body: string;
}

export interface Fuzzed {
  /** As latin1. */
  readonly bytes: string;
  /** For people: what it is. */
  readonly what: string;
  readonly isCheck: boolean;
  /** HEAD: whatever the answer's length says, no byte of a body follows. */
  readonly bodiless: boolean;
  readonly rule: Rule;
  /**
   * `plain`: the connection goes on. `last`: it may end with the answer. `odd`: no proxy sends this; an answer or the end of the
   * connection. `unfinished`: more would have to come; the end of the connection, when we end our side.
   */
  readonly framing: 'plain' | 'last' | 'odd' | 'unfinished';
  /** Whether the answer may have to wait for something: uWebSockets.js ends a connection on which another request follows. */
  readonly waits: boolean;
  /** What must not be changed: one byte, or one field, and it would be another request that may have another answer. */
  readonly fragile: 'no' | 'byte' | 'field';
}

export function encode({ method, target, version, fields, body }: Draft): string {
  let text = `${method} ${target} ${version}\r\n`;
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`;
  // uWebSockets.js waits for more when there is no field at all.
  return fields.length === 0 ? `${text}Accept: */*\r\n\r\n${body}` : `${text}\r\n${body}`;
}
