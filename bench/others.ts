// Somebody else, who asks over HTTPS all the time while the outpost is attacked, as a proxy does: one connection of HTTP/2, another one
// when that is asked to go. Every check has to come back with the right name.
import { Http2Client } from '../test/kit/http2-client.js';

const LANES = 4;
const REFUSED_STREAM = 7;
const MOST_EXAMPLES = 5;

export class Others {
  asked = 0;
  failed = 0;
  readonly examples: string[] = [];
  /** Milliseconds of each check. */
  readonly times: number[] = [];
  private stopped = false;
  private client: Promise<Http2Client> | null = null;
  private readonly origin: string;
  private readonly headers: Readonly<Record<string, string>>;
  private lanes: Promise<void>[] = [];

  constructor(origin: string, headers: Readonly<Record<string, string>>) {
    this.origin = origin;
    this.headers = headers;
  }

  start(): void {
    this.lanes = Array.from({ length: LANES }, () => this.lane());
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.lanes);
    (await this.client)?.close();
  }

  private async lane(): Promise<void> {
    while (!this.stopped) {
      const begun = performance.now();
      const fault = await this.check().catch((error: unknown) => String(error));
      this.asked += 1;
      this.times.push(performance.now() - begun);
      if (fault === null) continue;
      this.failed += 1;
      if (this.examples.length < MOST_EXAMPLES) this.examples.push(fault);
    }
  }

  /** A stream that was refused may be asked again (RFC 9113 §8.7), as every proxy does. */
  private async check(tries = 2): Promise<string | null> {
    const client = await this.connected();
    const { stream, answer } = client.ask({ method: 'GET', path: '/akprox/auth/traefik', headers: this.headers });
    try {
      const { status, headers } = await answer;
      if (status !== 200) return `status ${status}`;
      return headers.some(([name, value]) => name === 'x-auth-username' && value === 'alice') ? null : 'not alice';
    } catch (error) {
      if (stream.rstCode === REFUSED_STREAM && tries > 1) return this.check(tries - 1);
      throw error;
    }
  }

  private connected(): Promise<Http2Client> {
    this.client ??= this.open();
    return this.client;
  }

  private async open(): Promise<Http2Client> {
    const opening = Http2Client.open(this.origin).then((client) => {
      const forget = (): void => {
        if (this.client === opening) this.client = null;
      };
      // What is in flight is still answered.
      client.session.once('goaway', () => {
        forget();
        client.session.close();
      });
      client.session.once('close', forget);
      return client;
    });
    opening.catch(() => {
      if (this.client === opening) this.client = null;
    });
    return opening;
  }
}
