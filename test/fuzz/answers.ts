// Reads answers off a connection, strictly: a byte that belongs to no answer is a complaint. It shares nothing with the daemon,
// and not with Node's parser either, which forgives.

export interface Answer {
  readonly status: number;
  /** Status line and fields as they came, as latin1. */
  readonly head: string;
  readonly body: string;
  /** Whether it says that the connection ends. */
  readonly closes: boolean;
  /** By the parser, before any code of ours: it may overtake answers that still have to come. */
  readonly refusal: boolean;
}

const FIELDS_END = '\r\n\r\n';
const LAST_CHUNK = '0\r\n\r\n';
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const HEAD = /^HTTP\/1\.1 [1-5]\d\d [\x20-\x7e]*(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[^\x00-\x08\x0a-\x1f\x7f]*)*$/;

export class AnswerReader {
  private text = '';
  private refused = false;

  push(chunk: Buffer): void {
    if (this.refused) return;
    const more = chunk.toString('latin1');
    this.text = this.text === '' ? more : this.text + more;
  }

  /** Bytes of an answer that is not there as a whole. */
  get rest(): string {
    return this.text;
  }

  /** The next whole answer; null: more has to come; a string: what is wrong. `bodiless`: to HEAD. */
  next(bodiless: boolean): Answer | string | null {
    for (;;) {
      const end = this.text.indexOf(FIELDS_END);
      if (end === -1) {
        const start = this.text.slice(0, 9);
        return 'HTTP/1.1 '.startsWith(start) ? null : `not an answer: ${JSON.stringify(this.text.slice(0, 200))}`;
      }
      const head = this.text.slice(0, end);
      if (!HEAD.test(head)) return `a malformed head: ${JSON.stringify(head.slice(0, 400))}`;
      const status = Number(head.slice(9, 12));
      if (status >= 200) return this.finish(head, status, end + FIELDS_END.length, bodiless);
      this.text = this.text.slice(end + FIELDS_END.length);
    }
  }

  private finish(head: string, status: number, start: number, bodiless: boolean): Answer | string | null {
    const closes = /\r\nconnection: *close/i.test(head);
    const lengths = fieldValues(head, 'content-length');
    if (lengths.length > 1) return 'two lengths in an answer';
    // What node:http says by itself to a request without Host, or with an expectation that it does not know.
    if ((status === 400 || status === 417) && fieldValues(head, 'transfer-encoding').length > 0) {
      if (!this.text.startsWith(LAST_CHUNK, start))
        return LAST_CHUNK.startsWith(this.text.slice(start)) ? null : 'a refusal with a body';
      return this.cut(head, status, start, LAST_CHUNK.length, closes);
    }
    if (fieldValues(head, 'transfer-encoding').length > 0) return 'an answer in chunks, which we never send';
    const [length] = lengths;
    if (status === 204 && length !== undefined) return 'a 204 with a length';
    if (status >= 400 && length === undefined && closes) {
      // A parser's own refusal: the body goes on to the end of the connection.
      this.refused = true;
      return this.cut(head, status, start, this.text.length - start, true, true);
    }
    if (status === 417 && bodiless) return this.cut(head, status, start, 0, closes);
    if (status !== 204 && (length === undefined || !/^\d+$/.test(length))) return 'an answer without a length';
    const size = bodiless || status === 204 ? 0 : Number(length);
    if (this.text.length < start + size) return null;
    return this.cut(head, status, start, size, closes);
  }

  private cut(head: string, status: number, start: number, size: number, closes: boolean, refusal = false): Answer {
    const body = this.text.slice(start, start + size);
    this.text = this.text.slice(start + size);
    return { status, head, body, closes, refusal };
  }
}

export function fieldValues(head: string, lowerCaseName: string): string[] {
  const found: string[] = [];
  for (const line of head.split('\r\n').slice(1)) {
    const colon = line.indexOf(':');
    if (line.slice(0, colon).toLowerCase() === lowerCaseName) found.push(line.slice(colon + 1).trim());
  }
  return found;
}
