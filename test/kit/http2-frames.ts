// HTTP/2 by hand, for what no client would send: frames on a TLS connection (RFC 9113 §4 and §6), and what comes back.
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';

export const DATA = 0;
export const HEADERS = 1;
export const RST_STREAM = 3;
export const SETTINGS = 4;
export const PING = 6;
export const GOAWAY = 7;
export const CONTINUATION = 9;
export const END_STREAM = 1;
export const ACK = 1;
export const END_HEADERS = 4;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Literal fields without indexing or Huffman code (RFC 7541 §6.2.2), each below 127 bytes. */
export function block(fields: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [
      Buffer.from([0, name.length]),
      Buffer.from(name, 'latin1'),
      Buffer.from([value.length]),
      Buffer.from(value, 'latin1'),
    ]),
  );
}

export const PING_REQUEST = block({
  ':method': 'GET',
  ':scheme': 'https',
  ':path': '/akprox/ping',
  ':authority': 'outpost',
});

export class FrameWire {
  readonly socket: TLSSocket;
  private rest = Buffer.alloc(0);
  private readonly frames: Frame[] = [];
  private ended = false;
  private waiting: (() => void)[] = [];

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.ended = true;
      this.wake();
    });
  }

  /** Connected, with preface and our first SETTINGS sent. */
  static async open(origin: string): Promise<FrameWire> {
    const { hostname, port } = new URL(origin);
    const socket = connect({ host: hostname, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    const wire = new FrameWire(socket);
    wire.send(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(SETTINGS, 0, 0));
    return wire;
  }

  /** Nothing once the other side has closed. */
  send(...frames: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  private read(chunk: Buffer): void {
    this.rest = Buffer.concat([this.rest, chunk]);
    for (;;) {
      if (this.rest.length < 9) break;
      const length = this.rest.readUIntBE(0, 3);
      if (this.rest.length < 9 + length) break;
      this.frames.push({
        type: this.rest[3] ?? 0,
        flags: this.rest[4] ?? 0,
        stream: this.rest.readUInt32BE(5),
        payload: this.rest.subarray(9, 9 + length),
      });
      this.rest = this.rest.subarray(9 + length);
    }
    this.wake();
  }

  /** The first frame that fits, taken out; null when the connection closes without one. */
  async next(fits: (frame: Frame) => boolean): Promise<Frame | null> {
    for (;;) {
      const at = this.frames.findIndex(fits);
      if (at !== -1) return this.frames.splice(at, 1)[0] ?? null;
      if (this.ended) return null;
      await this.more();
    }
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  async closed(): Promise<void> {
    while (!this.ended) await this.more();
  }

  close(): void {
    this.socket.destroy();
  }

  private async more(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.waiting.push(resolve);
    });
  }
}
