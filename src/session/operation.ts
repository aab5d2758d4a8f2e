// What an operator does to sessions (`akprox sessions`), and what came of it: the words in which the command, the primary and a worker
// talk of it. Sessions have no ids here: whoever sees the answer can do nothing with it.
import type { Application } from '../application/application.js';
import { indexHash } from './session-keys.js';
import type { Sessions } from './sessions.js';
import type { SessionStore } from './store.js';
import { summariesOf } from './summary.js';

export type Operation =
  /** How many there are, by provider. */
  | { readonly kind: 'count' }
  | { readonly kind: 'all'; readonly provider: string }
  /** `provider` null: every provider. */
  | { readonly kind: 'sub' | 'sid'; readonly value: string; readonly provider: string | null }
  /** Those of a `sub`, which go on. */
  | { readonly kind: 'show'; readonly value: string; readonly provider: string | null };

/** At one provider. */
export interface Outcome {
  readonly provider: string;
  /** Of the subject or the sid; '' with `all` and `count`. */
  readonly hash: string;
  /** How many; null with `show` and `count`. */
  readonly ended: number | null;
  /** With `count`. */
  readonly there?: number;
  readonly shown: readonly ShownSession[];
}

/** Times in Unix milliseconds; null and '' for what is not known. */
export interface ShownSession {
  readonly createdAt: number | null;
  readonly renewedAt: number | null;
  readonly expiresAt: number;
  readonly browser: string;
  readonly client: string;
}

/** Of one person at one provider, the latest. */
export const MOST_SHOWN = 200;

export async function showSessions(
  store: Pick<SessionStore, 'listSummaries'>,
  application: Application,
  sub: string,
): Promise<Outcome> {
  const summaries = await summariesOf(store, application, sub, MOST_SHOWN);
  const shown = summaries.map(
    ({ expiresAt, about }): ShownSession => ({
      createdAt: about?.createdAt ?? null,
      renewedAt: about?.renewedAt ?? null,
      expiresAt,
      browser: about?.device?.browser ?? '',
      client: about?.device?.client ?? '',
    }),
  );
  return { provider: application.name, hash: indexHash(application, 'sub', sub), ended: null, shown };
}

/** By name, those without sessions too. */
export async function countSessions(
  store: Pick<SessionStore, 'stats'>,
  applications: readonly Application[],
): Promise<Outcome[]> {
  const { sessions } = await store.stats();
  const names = new Set([...applications.map(({ name }) => name), ...Object.keys(sessions)]);
  return [...names]
    .sort()
    .map((provider) => ({ provider, hash: '', ended: null, there: sessions[provider] ?? 0, shown: [] }));
}

export interface Operated {
  readonly outcomes: readonly Outcome[];
  /** Of sessions that have ended: no cache may have them any more. */
  readonly keys: readonly string[];
}

/** In a worker. Rejects when the store is down. */
export async function operate(
  operation: Operation,
  { applications, sessions, store }: { applications: readonly Application[]; sessions: Sessions; store: SessionStore },
): Promise<Operated> {
  if (operation.kind === 'count') return { outcomes: await countSessions(store, applications), keys: [] };
  if (operation.kind === 'all') {
    const keys = await sessions.endProvider(operation.provider, 'operator');
    return { outcomes: [{ provider: operation.provider, hash: '', ended: keys.length, shown: [] }], keys };
  }
  const { kind, value, provider } = operation;
  const outcomes: Outcome[] = [];
  const keys: string[] = [];
  for (const application of applications) {
    if (provider !== null && application.name !== provider) continue;
    if (kind === 'show') {
      outcomes.push(await showSessions(store, application, value));
      continue;
    }
    const hash = indexHash(application, kind, value);
    keys.push(...(await (kind === 'sub' ? store.listSubject(hash) : store.listSid(hash))));
    const end = kind === 'sub' ? sessions.endSubject : sessions.endSid;
    const ended = await end.call(sessions, application, value, 'operator');
    outcomes.push({ provider: application.name, hash, ended, shown: [] });
  }
  return { outcomes, keys };
}
