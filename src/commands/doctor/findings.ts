// What the doctor can find, and what to change then, by proxy. docs/doctor.md is made of this, and the tests break a
// configuration for each.
import { ACCESS_REMEDIES } from './access-remedies.js';
import { CHECK_REMEDIES } from './check-remedies.js';
import { LOGIN_REMEDIES } from './login-remedies.js';
import type { ProxyName, Remedy } from './remedy.js';

export type { ProxyName } from './remedy.js';

/** In the order of docs/doctor.md. */
export const REMEDIES = { ...CHECK_REMEDIES, ...LOGIN_REMEDIES, ...ACCESS_REMEDIES } as const;

export type FindingCode = keyof typeof REMEDIES;

export interface Finding {
  readonly code: FindingCode;
  readonly severity: 'error' | 'warning';
  /** What was asked and what came: no secrets, tokens or cookie values. */
  readonly seen: string;
  readonly change: string;
}

/** `proxy`: whose setting is told; null tells those of all. */
export function finding(code: FindingCode, seen: string, proxy: readonly ProxyName[] | null): Finding {
  const remedy: Remedy = REMEDIES[code];
  const settings = Object.entries(remedy.settings ?? {})
    .filter(([name]) => proxy === null || proxy.includes(name as ProxyName))
    .map(([name, text]) => `${name}: ${text}`);
  return { code, severity: remedy.severity, seen, change: [remedy.change, ...settings].join('\n') };
}
