// Connections of HTTP/1.1 behind TLS that wait for their next request: some 50 KiB each, for two minutes. How many there are is up to the
// clients, so beyond a number those end that have waited for longest. What speaks HTTP/2 is bounded in http2-sessions.ts.
import type { EventEmitter } from 'node:events';

/** The part of a socket that this uses. */
export interface Connection extends EventEmitter {
  readonly destroyed: boolean;
  destroy(): unknown;
}

export class IdleConnections {
  private readonly most: number;
  /** By requests under way: pipelining has several. */
  private readonly busy = new WeakMap<Connection, number>();
  /** The one that has waited for longest is the first. */
  private readonly waiting = new Set<Connection>();

  constructor(most: number) {
    this.most = most;
  }

  begin(connection: Connection): void {
    const running = this.busy.get(connection);
    if (running === undefined) connection.once('close', () => this.waiting.delete(connection));
    this.busy.set(connection, (running ?? 0) + 1);
    this.waiting.delete(connection);
  }

  /** A request of it has ended. */
  end(connection: Connection): void {
    const left = (this.busy.get(connection) ?? 1) - 1;
    this.busy.set(connection, left);
    if (left > 0 || connection.destroyed) return;
    this.waiting.add(connection);
    if (this.waiting.size <= this.most) return;
    const [longest] = this.waiting;
    if (longest === undefined) return;
    this.waiting.delete(longest);
    longest.destroy();
  }
}
