// Revocations: how "this session is over" reaches the caches of every other worker. The session is gone from the store
// before it is published, so that whoever receives it and asks again finds nothing; or it is said that it could not be deleted.

export type RevocationSource =
  | 'sign_out'
  | 'replaced'
  | 'backchannel'
  | 'frontchannel'
  | 'authentik'
  | 'refresh'
  | 'operator';

/** In seconds, of `akprox_revocation_lag_seconds`. */
export const LAG_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];

export interface Revocation {
  /** Store keys (hashes of session ids). */
  readonly keys: readonly string[];
  readonly source: RevocationSource;
  /** Unix milliseconds when it was published; for `akprox_revocation_lag_seconds`. */
  readonly at: number;
  /**
   * The store could not delete them: Unix milliseconds until when they are refused whatever it says. Absent when they are gone.
   */
  readonly refusedUntil?: number;
  /**
   * Nobody has written it into the log of a daemon (`akprox sessions` has none): one of those who hear of it does. `sessions`: how many
   * there are in all, when the keys come in several messages.
   */
  readonly audit?: { readonly provider: string; readonly subject: string; readonly sessions: number };
}

export interface RevocationChannel {
  /** To everybody else; the publisher has applied it already. */
  publish(revocation: Revocation): void;
  /** `handler` receives every revocation that another worker or node publishes. */
  subscribe(handler: (revocation: Revocation) => void): void;
}

/** A channel between hosts, which may be deaf for a while. */
export interface SharedChannel extends RevocationChannel {
  /** False while revocations of others may be missed. */
  readonly connected: boolean;
  /** `handler` runs each time that it is connected, the first time included: drop every cached entry and every read under way. */
  onGap(handler: () => void): void;
  close(): Promise<void>;
}
