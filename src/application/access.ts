// The access rule of an application from the file: who may pass, of those who can log in (contract §2.4).
import type { Claims } from './claims.js';

export interface AccessRule {
  readonly groups: readonly string[];
  readonly emails: readonly string[];
  readonly email_domains: readonly string[];
}

/** Any match allows; a rule with nothing in it allows everyone. */
export function isAllowed(rule: AccessRule, claims: Claims): boolean {
  if (rule.groups.length === 0 && rule.emails.length === 0 && rule.email_domains.length === 0) return true;
  if (claims.groups.some((group) => rule.groups.includes(group))) return true;
  const email = provenEmail(claims);
  if (email === null) return false;
  if (rule.emails.some((allowed) => lowerCase(allowed) === email)) return true;
  const domain = email.slice(email.indexOf('@') + 1);
  return rule.email_domains.some((allowed) => inDomain(domain, lowerCase(allowed)));
}

/**
 * The address, lower-case; null when the identity provider says that it is not verified, or when it has not exactly one `@`
 * (`a@evil.com@company.tld` must not count for company.tld: CVE-2026-40574).
 */
function provenEmail(claims: Claims): string | null {
  if (claims.emailVerified === false) return null;
  const parts = lowerCase(claims.email).split('@');
  return parts.length === 2 && parts[0] !== '' && parts[1] !== '' ? parts.join('@') : null;
}

/** `company.tld` means exactly that; `.company.tld` means every domain below it. */
function inDomain(domain: string, allowed: string): boolean {
  if (!allowed.startsWith('.')) return domain === allowed;
  return allowed.length > 1 && domain.length > allowed.length && domain.endsWith(allowed);
}

/** ASCII only: Unicode's lower case of the Kelvin sign is `k`, and that is another person's mailbox. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
