// What an older version wrote, and the configuration that it had: test/release/stores/VERSION.
import { SECRET } from '../kit/daemon.js';

/** `renewed` has a refresh token, `plain` has none. */
export const APPLICATIONS: Readonly<Record<string, string>> = {
  renewed: 'http://renewed.localhost:8080',
  plain: 'http://plain.localhost:8080',
};

export interface OlderStore {
  readonly issuer: string;
  /** By application: `name=value`. */
  readonly cookies: Readonly<Record<string, string>>;
  /** Of Redis; `expiresAt` is -1 for what does not expire. */
  readonly records?: readonly { readonly key: string; readonly expiresAt: number; readonly dump: string }[];
}

export function olderProviders(issuer: string): Record<string, unknown>[] {
  return Object.entries(APPLICATIONS).map(([name, external_host]) => ({
    name,
    mode: 'forward_single',
    external_host,
    cookie_secret: SECRET,
    oidc: {
      issuer,
      client_id: name,
      client_secret: `${name}-client-secret`,
      ...(name === 'renewed' && { scopes: ['openid', 'profile', 'email', 'offline_access'] }),
    },
    session: { lifetime: '18250d' },
  }));
}
