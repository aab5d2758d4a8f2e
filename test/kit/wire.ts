// HTTP/1.1 on a bare socket, read strictly: an answer has exactly the bytes that its head announces, and what follows is the
// next answer or nothing. For what no HTTP client would send, and for what none would notice.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';

export interface WireAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [lowerCaseName: string, value: string])[];
  readonly body: string;
}

export class Wire {
  private readonly socket: Socket;
  private got = Buffer.alloc(0);
  private ended = false;
  private wake: (() => void) | null = null;
  private failure: Error | null = null;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.got = Buffer.concat([this.got, chunk]);
      this.wake?.();
    });
    socket.on('error', (error) => {
      this.failure = error;
    });
    socket.on('close', () => {
      this.ended = true;
      this.wake?.();
    });
  }

  /** `origin`: `http://` or `https://` with host and port. */
  static async open(origin: string): Promise<Wire> {
    const { protocol, hostname, port } = new URL(origin);
    const place = { host: hostname, port: Number(port) };
    if (protocol === 'http:') {
      const socket = connect({ ...place, noDelay: true });
      await once(socket, 'connect');
      return new Wire(socket);
    }
    const socket = tlsConnect({ ...place, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return new Wire(socket);
  }

  send(text: string): void {
    this.socket.write(text, 'latin1');
  }

  /** The next answer; null when the connection closes before its first byte. `head`: it answers HEAD. */
  async next(head = false): Promise<WireAnswer | null> {
    for (;;) {
      const end = this.got.indexOf('\r\n\r\n');
      if (end !== -1) {
        const answer = parseHead(this.got.subarray(0, end).toString('latin1'));
        const length = head ? 0 : lengthOf(answer);
        if (this.got.length >= end + 4 + length) {
          const body = this.got.subarray(end + 4, end + 4 + length).toString('utf8');
          this.got = this.got.subarray(end + 4 + length);
          return { ...answer, body };
        }
      }
      if (this.ended) {
        assert.equal(this.got.toString('latin1'), '', 'the connection closed in the middle of an answer');
        return null;
      }
      await this.more();
    }
  }

  /** Resolves when the other side has closed; rejects when there was anything more to read. `orderly`: not by a reset. */
  async closed({ orderly = false } = {}): Promise<void> {
    while (!this.ended) await this.more();
    assert.equal(this.got.toString('latin1'), '', 'bytes behind the last answer');
    if (orderly) assert.equal(this.failure, null);
  }

  /** Everything up to the end of the connection, as it came: for answers that only their end ends. */
  async rest(): Promise<string> {
    while (!this.ended) await this.more();
    return this.got.toString('latin1');
  }

  close(): void {
    this.socket.destroy();
  }

  private async more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.wake = null;
  }
}

export function headerOf(answer: WireAnswer, name: string): string | undefined {
  return answer.headers.find(([other]) => other === name)?.[1];
}

function parseHead(text: string): Omit<WireAnswer, 'body'> {
  const [first = '', ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.1 (\d{3}) [\x20-\x7e]*$/.exec(first)?.[1];
  assert.ok(status, `no status line: ${JSON.stringify(text.slice(0, 200))}`);
  const headers = lines.map((line) => {
    const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?(.*)$/.exec(line) ?? assert.fail(`no header: ${line}`);
    return [(name ?? '').toLowerCase(), value ?? ''] as const;
  });
  return { status: Number(status), headers };
}

/** RFC 9112 §6.3; we send no transfer coding. */
function lengthOf(answer: Omit<WireAnswer, 'body'>): number {
  const lengths = answer.headers.filter(([name]) => name === 'content-length').map(([, value]) => value);
  assert.ok(!answer.headers.some(([name]) => name === 'transfer-encoding'), 'a transfer coding');
  if (answer.status === 204 || answer.status < 200) {
    assert.deepEqual(lengths, [], `${answer.status} has no length (RFC 9110 §8.6)`);
    return 0;
  }
  assert.equal(lengths.length, 1, `${answer.status} has ${lengths.length} lengths`);
  assert.match(lengths[0] ?? '', /^(0|[1-9]\d*)$/);
  return Number(lengths[0]);
}
