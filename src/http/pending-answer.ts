// A request whose answer has to wait: for a decision, or for a body that is on its way in front of the next request.
import { BODY, CLOSE, type Framing, UNREAD } from './framing.js';
import { LINGER, RequestBody } from './request-body.js';

/** uWebSockets.js' HttpResponse, as far as answers need it. */
export interface RawResponse {
  writeStatus(status: string): unknown;
  writeHeader(name: string | ArrayBuffer, value: string | ArrayBuffer): unknown;
  end(body: string, closeConnection: boolean): unknown;
  endWithoutBody(reportedContentLength?: number, closeConnection?: boolean): unknown;
  close(): unknown;
  cork(write: () => void): unknown;
  pause(): unknown;
  onAborted(handler: () => void): unknown;
  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): unknown;
}

export type Writer = (framing: Framing) => void;

interface Hooks {
  write(writer: Writer, framing: Framing): void;
  ended(): void;
}

/**
 * A request that is answered after its handler, or that announces a body. The answer waits for nobody's body; only the decision
 * whether the connection can be used again does: as soon as all that has arrived is read, the body is complete or it is not. When it
 * is not, the answer says `Connection: close`, and the connection closes once the body has come, too much of it has, or time is up.
 */
export class PendingAnswer {
  private readonly res: RawResponse;
  private readonly framing: Framing;
  private readonly hooks: Hooks;
  private readonly body: RequestBody;
  private state: 'waiting' | 'answered' | 'lingering' | 'ended' = 'waiting';
  private writer: Writer | null = null;
  private timer: NodeJS.Timeout | null = null;

  constructor(res: RawResponse, framing: Framing, keep: number, hooks: Hooks) {
    this.res = res;
    this.framing = framing;
    this.hooks = hooks;
    const expected = (framing & BODY) !== 0;
    this.body = new RequestBody(expected, keep, () => this.unlessEnded(() => res.pause()));
    res.onAborted(() => this.end());
    if (!expected) return;
    res.onData((chunk, last) => {
      this.body.receive(new Uint8Array(chunk), last);
      if (!last) return;
      if (this.state === 'answered') this.finish();
      else if (this.state === 'lingering') setImmediate(() => this.close());
    });
  }

  /** Null when it is larger than what is kept, or the client has gone. */
  text(): Promise<string | null> {
    return this.body.text();
  }

  /** The first answer counts. */
  answer(writer: Writer): void {
    if (this.state !== 'waiting') return;
    this.state = 'answered';
    this.writer = writer;
    if (this.body.complete) this.finish();
    else setImmediate(() => this.finish());
  }

  private finish(): void {
    const { writer } = this;
    if (this.state !== 'answered' || writer === null) return;
    this.writer = null;
    const framing = this.framing & ~BODY;
    if (this.body.complete) {
      this.hooks.write(writer, framing);
      this.end();
      return;
    }
    this.state = 'lingering';
    this.timer = setTimeout(() => this.close(), LINGER);
    this.hooks.write(writer, framing | CLOSE | UNREAD);
  }

  private close(): void {
    this.unlessEnded(() => this.res.close());
  }

  private unlessEnded(action: () => void): void {
    if (this.state !== 'ended') action();
  }

  /** Answered for good, closed, or the client has gone: `res` must not be touched any more. */
  private end(): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    if (this.timer !== null) clearTimeout(this.timer);
    this.body.abandon();
    this.hooks.ended();
  }
}
