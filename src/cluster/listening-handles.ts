// The listening sockets of this process, those too that node:cluster has for the workers and shows to nobody: Node.js tells of each on a
// diagnostics channel. A successor gets their descriptors; a daemon that leaves stops accepting on them before its workers do,
// or what it has accepted last would have no worker.
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Server } from 'node:net';
import { hostPortOf } from '../infra/host-port.js';
import { unixPathOf } from '../infra/unix-address.js';
import { type Addresses, type Descriptors, LISTENERS, type ListenerName } from './handover.js';

const CHANNEL = 'tracing:net.server.listen:asyncEnd';

/** Not in the typings. The descriptor of one that is closed is negative. */
interface Handle {
  readonly fd: number;
  close(): void;
}

interface Listening {
  readonly handle: Handle;
  readonly host: string;
  readonly port: number;
}

export class ListeningHandles {
  private all: Listening[] = [];
  private readonly onListening = (message: unknown): void => {
    const { server } = message as { server: Server & { _handle?: Handle | null } };
    const address = server.address();
    const handle = server._handle;
    if (!handle || typeof address !== 'object' || address === null) return;
    this.all = this.open().concat({ handle, host: address.address, port: address.port });
  };

  constructor() {
    subscribe(CHANNEL, this.onListening);
  }

  /** Of `addresses`, with the ports that were bound: those that this process listens on. */
  descriptors(addresses: Addresses): Descriptors {
    const found: Partial<Record<ListenerName, number>> = {};
    for (const name of LISTENERS) {
      const one = this.find(addresses[name]);
      if (one !== undefined) found[name] = one.handle.fd;
    }
    return found;
  }

  /** Accepts nothing more there; what has been accepted is still dealt to the workers. */
  leave(addresses: readonly (string | null)[]): void {
    for (const address of addresses) this.find(address)?.handle.close();
  }

  close(): void {
    unsubscribe(CHANNEL, this.onListening);
  }

  private open(): Listening[] {
    return this.all.filter(({ handle }) => handle.fd >= 0);
  }

  private find(address: string | null): Listening | undefined {
    if (address === null || unixPathOf(address) !== null) return undefined;
    const { host, port } = hostPortOf(address);
    const here = this.open().filter((one) => one.port === port);
    return here.length > 1 ? here.find((one) => one.host === host) : here[0];
  }
}
