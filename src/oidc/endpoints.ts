// `oidc.internal_url`: the identity provider has a public name that tokens and browsers know, and another address that we reach it at.
// What lies at the issuer's origin we ask for there; the browser is sent to the issuer's origin, whatever the document that was read
// inside says. Endpoints of other origins are left alone.
import type { ServerMetadata } from 'openid-client';
import type { ProviderConfig } from '../config/schema.js';

type Addresses = Pick<ProviderConfig['oidc'], 'issuer' | 'internal_url'>;

/** `ask`, which is asked for the issuer's origin and asks at the other. */
export function throughInternalUrl<More extends unknown[], T>(
  ask: (url: string, ...more: More) => T,
  { issuer, internal_url }: Addresses,
): (url: string, ...more: More) => T {
  if (internal_url === undefined) return ask;
  return (url, ...more) => ask(moved(url, issuer, internal_url), ...more);
}

/** `metadata` as a browser and our own checks need it: with nothing that is named by the inner address. */
export function publicMetadata(metadata: ServerMetadata, { issuer, internal_url }: Addresses): ServerMetadata {
  if (internal_url === undefined) return metadata;
  const entries = Object.entries(metadata).map(([name, value]) => [
    name,
    (name === 'jwks_uri' || name.endsWith('_endpoint')) && typeof value === 'string'
      ? moved(value, internal_url, issuer)
      : value,
  ]);
  return { ...metadata, ...Object.fromEntries(entries) };
}

/** `url` at the origin of `to` if it is at that of `from`. */
function moved(url: string, from: string, to: string): string {
  if (!URL.canParse(url)) return url;
  const { origin, pathname, search } = new URL(url);
  return origin === new URL(from).origin ? new URL(to).origin + pathname + search : url;
}
