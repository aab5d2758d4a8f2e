// One complete answer of core about our outpost: itself, its providers, their certificates. Read as a whole or not at all, and
// raw, so that a newer version of this program understands what an older one has kept.
import { explain } from '../infra/errors.js';
import { isRecord } from '../infra/untyped.js';
import type { CertificatePair, CoreApi, OutpostInstance } from './api.js';
import type { Notices } from './notices.js';
import { certificatesOf } from './translate.js';

export interface OutpostSnapshot {
  readonly instance: OutpostInstance;
  readonly results: readonly unknown[];
  /** By uuid. */
  readonly certificates: Readonly<Record<string, CertificatePair>>;
}

/** `known`: the last one. Rejects when core cannot be asked or refuses. */
export async function fetchSnapshot(
  api: CoreApi,
  known: OutpostSnapshot | null,
  notices: Notices,
): Promise<OutpostSnapshot> {
  const instance = await api.instance();
  const results = await api.proxyProviders();
  const certificates: Record<string, CertificatePair> = {};
  for (const uuid of certificatesOf(results)) {
    const pair = await fetchCertificate(api, uuid, known?.certificates[uuid] ?? null, notices);
    if (pair !== null) certificates[uuid] = pair;
  }
  return { instance, results: [...results].sort(byPk), certificates };
}

/** One that cannot be read now must not hold everything else up. */
async function fetchCertificate(
  api: CoreApi,
  uuid: string,
  known: CertificatePair | null,
  notices: Notices,
): Promise<CertificatePair | null> {
  try {
    return (await api.certificate(uuid, known?.fingerprint ?? null)) ?? known;
  } catch (error) {
    notices.warnOnce(uuid, `the certificate ${uuid} cannot be read: ${explain(error)}`);
    return known;
  }
}

/** core's order is not stable. Where two providers collide, the older one wins. */
function byPk(left: unknown, right: unknown): number {
  return pkOf(left) - pkOf(right);
}

function pkOf(raw: unknown): number {
  const pk = isRecord(raw) && 'pk' in raw ? Number(raw['pk']) : Number.NaN;
  return Number.isFinite(pk) ? pk : Number.MAX_SAFE_INTEGER;
}
