// The lines of the log for a person at a terminal: time, level, who says it, the text, then what else there is. What a client wrote stays
// between quotes and cannot move the cursor.
import type { DestinationStream } from 'pino';
import { isRecord } from './untyped.js';

/** Written bare: nothing in it that a terminal or an eye would take for something else. */
const WORD = /^[A-Za-z0-9_.:@/+*-]+$/;
/** Controls, and what turns the direction of the text round or cannot be seen: JSON leaves most of it as it is. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

export class ReadableLines implements DestinationStream {
  private readonly to: DestinationStream;

  constructor(to: DestinationStream) {
    this.to = to;
  }

  write(line: string): void {
    this.to.write(readable(line));
  }
}

/** `line`: JSON, with its newline. Anything else stays as it is. */
export function readable(line: string): string {
  const facts = parse(line);
  if (facts === null) return line;
  const { level, time, name, pid, msg, ...others } = facts;
  const more = Object.entries(others).map(([key, value]) => `${key}=${shown(value)}`);
  const begin = [String(time).slice(11, 23), String(level).toUpperCase().padEnd(5), `${shown(name)}/${shown(pid)}`];
  return `${[...begin, escaped(String(msg)), ...more].join(' ')}\n`;
}

function parse(line: string): Record<string, unknown> | null {
  try {
    const facts: unknown = JSON.parse(line);
    return isRecord(facts) ? facts : null;
  } catch {
    return null;
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' && WORD.test(value) ? value : escaped(JSON.stringify(value) ?? '');
}

function escaped(text: string): string {
  return text.replace(UNSEEN, (sign) => `\\u${(sign.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`);
}
