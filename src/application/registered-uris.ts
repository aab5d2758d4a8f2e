// What has to be registered for a client at its identity provider (contract §1): all of it on the provider's own origin, which is the
// login host in `forward_domain`.
import type { ProviderConfig } from '../config/schema.js';

export interface RegisteredUris {
  readonly redirect: string;
  readonly postLogoutRedirect: string;
  readonly backChannelLogout: string;
  readonly frontChannelLogout: string;
}

export function registeredUris({ origin, prefix }: Pick<ProviderConfig, 'origin' | 'prefix'>): RegisteredUris {
  const below = `${origin.origin}${prefix}`;
  return {
    redirect: `${below}/callback`,
    postLogoutRedirect: `${below}/signed_out`,
    backChannelLogout: `${below}/backchannel_logout`,
    frontChannelLogout: `${below}/frontchannel_logout`,
  };
}
