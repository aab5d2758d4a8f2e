// What can be shown of a session without its cookie: when it began, when it was last renewed, and what somebody logged in with. The
// record itself opens with the cookie alone. Sealed under a key that comes from `cookie_secret`, in the context of the session.
import type { Application } from '../application/application.js';
import { seal, unseal } from '../infra/seal.js';
import type { Device, Session } from './session.js';
import { indexHash } from './session-keys.js';
import type { SessionStore } from './store.js';

export interface Summary {
  /** Its name in the store: not to be shown. */
  readonly key: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  /** Null for a session of a version that kept none. */
  readonly about: About | null;
}

interface About {
  /** Unix milliseconds. */
  readonly createdAt: number;
  /** Unix milliseconds: when its tokens were last issued. */
  readonly renewedAt: number;
  /** Null for a session that began under a version that did not ask. */
  readonly device: Device | null;
}

export function sealSummary(application: Application, key: string, session: Session): Buffer {
  const { createdAt, renewedAt, device } = session;
  const plain = JSON.stringify([
    createdAt,
    renewedAt,
    ...(device === undefined ? [] : [device.browser, device.client]),
  ]);
  return seal(application.keys.summary, key, Buffer.from(plain));
}

/** Null for what does not open: damaged, of another session, sealed under another secret. */
export function openSummary(application: Application, key: string, sealed: Uint8Array): About | null {
  const plain = unseal(application.keys.summary, key, sealed);
  if (plain === null) return null;
  const [createdAt, renewedAt, browser, client] = JSON.parse(plain.toString('utf8')) as unknown[];
  if (typeof createdAt !== 'number' || typeof renewedAt !== 'number') return null;
  const device = typeof browser === 'string' && typeof client === 'string' ? { browser, client } : null;
  return { createdAt, renewedAt, device };
}

/** The sessions of somebody at an application, the newest first, at most so many. Rejects when the store is down. */
export async function summariesOf(
  store: Pick<SessionStore, 'listSummaries'>,
  application: Application,
  sub: string,
  most: number,
): Promise<Summary[]> {
  const listed = await store.listSummaries(indexHash(application, 'sub', sub), most);
  return listed
    .map(({ key, expiresAt, summary }) => ({
      key,
      expiresAt,
      about: summary === null ? null : openSummary(application, key, summary),
    }))
    .sort((a, b) => (b.about?.createdAt ?? 0) - (a.about?.createdAt ?? 0));
}

export interface OwnSessions {
  readonly listed: readonly Summary[];
  /** How many there are. */
  readonly all: number;
}

/** Looked at for a list of fewer: the newest are not found otherwise. */
const MOST_OWN = 1_000;

/** The same, and how many there are; the one called `own` is the first. */
export async function sessionsOf(
  store: Pick<SessionStore, 'listSummaries'>,
  application: Application,
  sub: string,
  most: number,
  own: string,
): Promise<OwnSessions> {
  const found = await summariesOf(store, application, sub, MOST_OWN);
  const sorted = [...found.filter(({ key }) => key === own), ...found.filter(({ key }) => key !== own)];
  return { listed: sorted.slice(0, most), all: found.length };
}
