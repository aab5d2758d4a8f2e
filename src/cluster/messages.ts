// Every message between the primary and its workers, in one union per direction. Plain JSON: IPC serializes it.
import type { Misconfiguration } from '../authentik/events.js';
import type { Config } from '../config/schema.js';
import type { Engine } from '../http/engine.js';
import type { Counts } from '../metrics/metric.js';
import type { Operated, Operation } from '../session/operation.js';
import type { Revocation } from '../session/revocation.js';
import type { Descriptors } from './handover.js';
import type { SocketFile } from './publish-socket.js';

/** Paths of PEM files. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate and its key themselves. */
export interface Pem {
  readonly cert: string;
  readonly key: string;
}

/** What a worker needs before it can serve. */
export interface WorkerSetup {
  readonly config: Config;
  /** For names without a certificate of their own; null when HTTPS is off. */
  readonly selfSigned: Pem | null;
  /** Where this worker listens, when `listen.http` is a unix socket. */
  readonly socket: SocketFile | null;
  /** Of the primary: listening sockets that it has from its predecessor. */
  readonly descriptors: Descriptors;
  /** Whether it says when it is `prepared`, and listens when it is told to. */
  readonly waits: boolean;
}

export type ToWorker =
  | { readonly type: 'setup'; readonly setup: WorkerSetup }
  /** To one that waits. */
  | { readonly type: 'listen' }
  | Instruction;

/** To a worker that has been set up. */
export type Instruction =
  | { readonly type: 'configure'; readonly generation: number; readonly config: Config }
  | { readonly type: 'revoked'; readonly revocation: Revocation }
  /** authentik says that its session `sid` is over. */
  | { readonly type: 'session_end'; readonly sid: string }
  /** Removes from the store what has expired: one for all. */
  | { readonly type: 'sweep' }
  | { readonly type: 'report'; readonly request: number }
  /** How are you? Much shorter than a report: probes ask it every few seconds. */
  | { readonly type: 'health'; readonly request: number }
  /** An operator's: one for all. */
  | { readonly type: 'operate'; readonly request: number; readonly operation: Operation }
  /** These have ended: nothing that is known of them counts. */
  | { readonly type: 'forget'; readonly keys: readonly string[] }
  /** `idleMs`: how long connections without a request stay open; 0: they end at once. */
  | { readonly type: 'drain'; readonly graceMs: number; readonly idleMs: number };

export type ToPrimary =
  /** The worker is listening on the channel; what was sent before would be lost. */
  | { readonly type: 'hello' }
  /** All but the listeners is there. */
  | { readonly type: 'prepared' }
  /** It listens; `engine` is what `listen.http` is served by. */
  | { readonly type: 'ready'; readonly engine: Engine }
  | { readonly type: 'failed'; readonly code: string; readonly message: string }
  /** `problem`: what of it could not be applied; null when all was. */
  | { readonly type: 'configured'; readonly generation: number; readonly problem: string | null }
  | { readonly type: 'revoke'; readonly revocation: Revocation }
  /** Once a second when there is something to tell, and before a `report`. */
  | { readonly type: 'counted'; readonly counts: Counts }
  /** All that was counted so far has been told. */
  | { readonly type: 'report'; readonly request: number }
  /** `degraded`: why this worker is worse than it should be; null when it is well. */
  | { readonly type: 'health'; readonly request: number; readonly degraded: string | null }
  /** What came of an operator's. */
  | { readonly type: 'operated'; readonly request: number; readonly result: Operated | { readonly problem: string } }
  /** For authentik's event log. */
  | { readonly type: 'misconfigured'; readonly event: Misconfiguration };
