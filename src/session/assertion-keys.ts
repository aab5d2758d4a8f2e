// The keys that sign assertions, one for each application and period of 30 days. Made by whoever needs one first and kept in the
// store, sealed under a key that comes from `cookie_secret`: the whole fleet has the same, and a stolen store has none.
// Rotation: the key of the next period is published a day before it signs, the one of the former period for a day after it has
// signed its last, so that verifiers that keep the key set for hours know what they meet.
import type { CryptoKey, JWK } from 'jose';
import type { Application } from '../application/application.js';
import { AkproxError } from '../infra/errors.js';
import type { GatedLog } from '../infra/log-gate.js';
import { seal, unseal } from '../infra/seal.js';
import { isRecord } from '../infra/untyped.js';
import { indexHash } from './session-keys.js';
import type { SharedValues } from './shared-values.js';

export interface AssertionKeysOptions {
  readonly values: SharedValues;
  /** Unix milliseconds, for which period it is. */
  readonly now: () => number;
  /** Milliseconds, for when to look into the store again. */
  readonly monotonic: () => number;
  readonly log: GatedLog;
}

export interface AssertionKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: JWK;
  /** As it lies in the store. */
  readonly sealed: string;
}

const DAY = 86_400_000;
export const KEY_PERIOD = 30 * DAY;
export const KEY_OVERLAP = DAY;
/** A store that has lost its data gets the key back, or says that another counts, within this time. */
const CHECKED_EVERY = 60_000;
/** After a failed look a known key goes on for so long. */
const RETRY = 5_000;

/** The key of one application and period, as far as this worker knows it. */
interface Slot {
  key: AssertionKey | null;
  /** What signed before another key won; published as long as the slot. */
  former: AssertionKey | null;
  /** Monotonic milliseconds. */
  freshUntil: number;
  asking: Promise<AssertionKey> | null;
}

export class AssertionKeys {
  private readonly options: AssertionKeysOptions;
  /** A changed application has other secrets, and so other keys. */
  private readonly slots = new WeakMap<Application, Map<number, Slot>>();

  constructor(options: AssertionKeysOptions) {
    this.options = options;
  }

  /** Rejects with `store_unavailable` while the store cannot be asked for a key that this worker has not seen yet. */
  signing(application: Application): Promise<AssertionKey> {
    return this.keyOf(application, periodOf(this.options.now()));
  }

  /** Every key under which something valid may be signed now or soon. Rejects as `signing` does. */
  async published(application: Application): Promise<JWK[]> {
    const now = this.options.now();
    const current = await this.signing(application);
    const periods = new Set([now - KEY_OVERLAP, now, now + KEY_OVERLAP].map(periodOf));
    const published: JWK[] = [];
    for (const period of periods) {
      // While the store is away, what is known is published, and the key that signs now is.
      const key = period === periodOf(now) ? current : await this.keyOf(application, period).catch(() => null);
      const { former } = this.slotOf(application, period);
      if (key !== null) published.push(key.publicKey);
      if (former !== null) published.push(former.publicKey);
    }
    return published;
  }

  private async keyOf(application: Application, period: number): Promise<AssertionKey> {
    const { monotonic, log } = this.options;
    const slot = this.slotOf(application, period);
    if (slot.key !== null && monotonic() < slot.freshUntil) return slot.key;
    slot.asking ??= this.ask(application, period, slot).finally(() => {
      slot.asking = null;
    });
    try {
      return await slot.asking;
    } catch (error) {
      // An outage of the store takes no key away.
      if (slot.key === null) throw error;
      log.debug({ err: error, provider: application.name }, 'the key of assertions could not be read again');
      slot.freshUntil = monotonic() + RETRY;
      return slot.key;
    }
  }

  private slotOf(application: Application, period: number): Slot {
    const slots = this.slots.get(application) ?? new Map<number, Slot>();
    this.slots.set(application, slots);
    const known = slots.get(period);
    if (known !== undefined) return known;
    for (const other of slots.keys()) if (other < period - 1) slots.delete(other);
    const slot: Slot = { key: null, former: null, freshUntil: 0, asking: null };
    slots.set(period, slot);
    return slot;
  }

  /** What the store has; what this worker knows, or a new key, where it has none. Of several workers one wins. */
  private async ask(application: Application, period: number, slot: Slot): Promise<AssertionKey> {
    const { values, monotonic, log } = this.options;
    const name = indexHash(application, 'assertion', String(period));
    const until = (period + 1) * KEY_PERIOD + KEY_OVERLAP;
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const there =
        (await values.get(name)) ??
        (await values.getOrPut(name, slot.key?.sealed ?? (await makeKey(application, name)), until));
      const key = there === slot.key?.sealed ? slot.key : await openKey(application, name, there);
      if (key !== null) {
        if (slot.key !== null && slot.key !== key) slot.former = slot.key;
        slot.key = key;
        slot.freshUntil = monotonic() + CHECKED_EVERY;
        return key;
      }
      log.warn({ provider: application.name }, 'a stored key of assertions could not be opened; another is made');
      await values.remove(name, there);
    }
    throw new AkproxError('store_unavailable', 'the stored key of assertions cannot be opened');
  }
}

function periodOf(time: number): number {
  return Math.floor(time / KEY_PERIOD);
}

async function makeKey(application: Application, name: string): Promise<string> {
  const { exportJWK, generateKeyPair } = await import('jose');
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true });
  const plain = Buffer.from(JSON.stringify(await exportJWK(privateKey)));
  return seal(application.keys.assertion, contextOf(application, name), plain).toString('base64url');
}

async function openKey(application: Application, name: string, sealed: string): Promise<AssertionKey | null> {
  const plain = unseal(application.keys.assertion, contextOf(application, name), Buffer.from(sealed, 'base64url'));
  if (plain === null) return null;
  const stored: unknown = JSON.parse(plain.toString());
  if (!isRecord(stored) || typeof stored['x'] !== 'string') return null;
  const publicKey = { kty: 'OKP', crv: 'Ed25519', x: stored['x'] };
  const { calculateJwkThumbprint, importJWK } = await import('jose');
  const privateKey = (await importJWK(stored, 'EdDSA')) as CryptoKey; // a Uint8Array only for kty "oct"
  const kid = await calculateJwkThumbprint(publicKey);
  return { kid, privateKey, publicKey: { ...publicKey, kid, use: 'sig', alg: 'EdDSA' }, sealed };
}

/** A sealed key moved to another application or period does not open. */
function contextOf(application: Application, name: string): string {
  return `${application.id}\0${name}`;
}
