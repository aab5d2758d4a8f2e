// What a daemon and its successor (SIGUSR2) tell each other. They may be of different versions: what is added here is optional for the
// reader, and a message of an unknown type is nothing.
import type { Config } from '../config/schema.js';
import type { Revocation } from '../session/revocation.js';
import type { Extent } from './reload.js';

/** In the environment of a successor, which main.ts reads: the process that started it. */
export const PREDECESSOR = 'AKPROX_PREDECESSOR';

export const LISTENERS = ['http', 'https', 'compat', 'metrics'] as const;
export type ListenerName = (typeof LISTENERS)[number];

/** Of listening sockets that both processes have: nothing that waits there is lost when one of them closes. */
export type Descriptors = Readonly<Partial<Record<ListenerName, number | undefined>>>;

export type Addresses = Readonly<Record<ListenerName, string | null>>;

export interface Handover {
  /** Where the daemon listens: as it is written, and with the ports that it got. */
  readonly configured: Addresses;
  readonly bound: Addresses;
  readonly descriptors: Descriptors;
  /** Paths of its unix sockets. */
  readonly sockets: readonly string[];
  /** Of the configuration that it has. */
  readonly extent: Extent;
  /** Whom to refuse. */
  readonly revocations: readonly Revocation[];
}

export type ToSuccessor =
  | { readonly type: 'handover'; readonly handover: Handover }
  | { readonly type: 'revoked'; readonly revocation: Revocation }
  | { readonly type: 'reload' };

export type ToPredecessor =
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'serving' }
  | { readonly type: 'revoked'; readonly revocation: Revocation };

export function addressesOf(listen: Config['listen']): Addresses {
  const { http, https, compat, metrics } = listen;
  return { http, https, compat, metrics };
}

/** The descriptor of a listener of the predecessor that is also one of `listen`. */
export function inherited(name: ListenerName, listen: Config['listen'], handover: Handover | null): number | undefined {
  return handover?.configured[name] === listen[name] ? handover?.descriptors[name] : undefined;
}
