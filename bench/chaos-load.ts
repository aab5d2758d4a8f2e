// Checks whose verdict is known, sent all the time over connections that are kept, each counted: what came, and what did not.
// Unlike the other generators it knows who each check is by, and tells a wrong verdict from a missing one.
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { unixPathOf } from '../src/infra/unix-address.js';
import { type Answer, AnswerReader, fieldValues } from '../test/fuzz/answers.js';

/** `in`: somebody signed in, `uid` theirs. `out`: nobody, a forged cookie, or a session that has ended. */
export interface Ask {
  readonly bytes: string;
  readonly who: 'in' | 'out';
  readonly uid: string;
}

export interface Tally {
  sent: number;
  allowed: number;
  challenged: number;
  /** 503: the session cannot be read at the moment. */
  unavailable: number;
  wrong: number;
  /** Checks in flight on a connection that broke: its local port, and when it was opened, by `performance.now`. */
  readonly cut: { readonly port: number; readonly openedAt: number }[];
  /** Connections that were refused: when they were begun. */
  readonly refused: number[];
  /** No answer in the time of the watchdog. */
  hung: number;
  readonly examples: string[];
}

/** Far longer than any answer of the daemon takes, outages included. */
const WATCHDOG_MS = 60_000;
/** Before a refused connection is tried again; a proxy would not ask in a loop either. */
const RETRY_MS = 5;
const MOST_EXAMPLES = 5;

function emptyTally(): Tally {
  return {
    sent: 0,
    allowed: 0,
    challenged: 0,
    unavailable: 0,
    wrong: 0,
    cut: [],
    refused: [],
    hung: 0,
    examples: [],
  };
}

/** `cookie`: `name=value`; ''. */
export function askOf(cookie: string, uid: string | null): Ask {
  const fields = [
    'Host: outpost',
    'X-Forwarded-Proto: http',
    'X-Forwarded-Host: whoami.localhost:8080',
    'X-Forwarded-Uri: /',
    'X-Forwarded-Method: GET',
    ...(cookie === '' ? [] : [`Cookie: ${cookie}`]),
  ];
  const bytes = `GET /akprox/auth/traefik HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`;
  return { bytes, who: uid === null ? 'out' : 'in', uid: uid ?? '' };
}

export class ChaosLoad {
  /** What the next checks are counted in; exchange it to begin a phase. A check counts where it ends. */
  tally = emptyTally();
  private stopped = false;
  private readonly lanes: Promise<void>[] = [];
  private readonly target: { readonly port: number; readonly host: string } | { readonly path: string };
  private readonly next: () => Ask;
  private readonly connections: number;
  private readonly isOneEach: boolean;

  /** `url`: or `unix:/PATH`. `next`: the next check; called in turn by all connections. `isOneEach`: one connection for each check. */
  constructor(url: string, next: () => Ask, connections: number, isOneEach = false) {
    const path = unixPathOf(url);
    this.target = path === null ? { port: Number(new URL(url).port), host: '127.0.0.1' } : { path };
    this.isOneEach = isOneEach;
    this.next = next;
    this.connections = connections;
  }

  start(): void {
    for (let i = 0; i < this.connections; i += 1) this.lanes.push(this.lane());
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.lanes);
  }

  /** A new tally begins; the one before is returned. */
  phase(): Tally {
    const before = this.tally;
    this.tally = emptyTally();
    return before;
  }

  private async lane(): Promise<void> {
    let connection: Connection | null = null;
    while (!this.stopped) {
      connection ??= await this.open();
      if (connection === null) continue;
      const ask = this.next();
      const answer = await connection.ask(ask.bytes);
      this.tally.sent += 1;
      if (answer === 'hung') this.tally.hung += 1;
      else if (answer === 'cut') this.tally.cut.push({ port: connection.localPort, openedAt: connection.openedAt });
      else this.count(ask, answer);
      if (typeof answer === 'string' || answer.closes || connection.isOver || this.isOneEach) {
        connection.close();
        connection = null;
      }
    }
    connection?.close();
  }

  private async open(): Promise<Connection | null> {
    const begun = performance.now();
    const connection = await Connection.open(this.target);
    if (connection !== null) return connection;
    this.tally.refused.push(begun);
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    return null;
  }

  private count(ask: Ask, answer: Answer): void {
    const { status, head } = answer;
    const { tally } = this;
    const isTheirs = ask.who === 'in' && fieldValues(head, 'x-authentik-uid').join() === ask.uid;
    if (status === 200 && isTheirs) tally.allowed += 1;
    else if (status === 503) tally.unavailable += 1;
    else if (ask.who === 'out' && (status === 302 || status === 401)) tally.challenged += 1;
    else {
      tally.wrong += 1;
      if (tally.examples.length < MOST_EXAMPLES) tally.examples.push(`${ask.who} ${ask.uid}: ${JSON.stringify(head)}`);
    }
  }
}

class Connection {
  isOver = false;
  private readonly reader = new AnswerReader();
  private waiting: ((answer: Answer | 'cut' | 'hung') => void) | null = null;

  readonly localPort: number;
  readonly openedAt: number;
  private readonly socket: Socket;

  private constructor(socket: Socket, localPort: number, openedAt: number) {
    this.socket = socket;
    this.localPort = localPort;
    this.openedAt = openedAt;
    socket.on('data', (chunk: Buffer) => {
      this.reader.push(chunk);
      const answer = this.reader.next(false);
      if (answer !== null) this.settle(typeof answer === 'string' ? 'cut' : answer);
    });
    socket.on('close', () => {
      this.isOver = true;
      this.settle('cut');
    });
    socket.setTimeout(WATCHDOG_MS, () => {
      this.settle('hung');
      socket.destroy();
    });
  }

  static open(target: NetConnectOpts): Promise<Connection | null> {
    return new Promise((resolve) => {
      // Before, not when it is heard of: the kernel connects at once.
      const openedAt = performance.now();
      const socket = connect({ ...target, noDelay: true });
      socket.on('error', () => resolve(null));
      socket.once('connect', () => resolve(new Connection(socket, socket.localPort ?? 0, openedAt)));
    });
  }

  ask(bytes: string): Promise<Answer | 'cut' | 'hung'> {
    return new Promise((resolve) => {
      if (this.isOver) {
        resolve('cut');
        return;
      }
      this.waiting = resolve;
      this.socket.write(bytes, 'latin1');
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private settle(answer: Answer | 'cut' | 'hung'): void {
    const { waiting } = this;
    this.waiting = null;
    waiting?.(answer);
  }
}
