// The body of a request, whichever listener it came in on: kept for the one step that reads it, thrown away for everybody
// else, and counted, because a connection may close only when nothing of a request is on its way any more (RFC 9112 §9.6): what
// arrives at a closed socket makes the kernel send RST, and that takes our answer away from a client that is still sending.

/** What is read and thrown away of a body before its connection is closed, in bytes. */
export const THROWN_AWAY = 262_144;
/** How long a connection that is to be closed waits for the rest of a body, in milliseconds. Stock nginx announces bodies that never come. */
export const LINGER = 2_000;

export class RequestBody {
  private readonly limit: number;
  private readonly onFull: () => void;
  /** Nothing of the request is on its way any more: the connection is in step. */
  complete: boolean;
  /** More has come than is thrown away. */
  full = false;
  private received = 0;
  private gone = false;
  private readonly kept: Buffer[] = [];
  private reader: ((body: string | null) => void) | null = null;

  /** `limit`: largest body that is kept, in bytes; 0 for none. `onFull`: no more is to be read. */
  constructor(expected: boolean, limit: number, onFull: () => void) {
    this.limit = limit;
    this.onFull = onFull;
    this.complete = !expected;
  }

  /** `chunk` may be reused by the caller: what is kept is copied. */
  receive(chunk: Uint8Array, last: boolean): void {
    this.received += chunk.byteLength;
    if (this.received <= this.limit) this.kept.push(Buffer.from(chunk));
    if (last) this.complete = true;
    else if (this.received > THROWN_AWAY && !this.full) {
      this.full = true;
      this.onFull();
    }
    this.offer();
  }

  /** The client has gone: nothing will come any more. */
  abandon(): void {
    this.gone = true;
    this.offer();
  }

  /** Null when it is larger than the limit or the client has gone. Never rejects. */
  text(): Promise<string | null> {
    return new Promise((resolve) => {
      this.reader = resolve;
      this.offer();
    });
  }

  private offer(): void {
    if (this.reader === null) return;
    if (this.received > this.limit) this.reader(null);
    else if (this.complete) this.reader(Buffer.concat(this.kept).toString('utf8'));
    else if (this.gone) this.reader(null);
  }
}
