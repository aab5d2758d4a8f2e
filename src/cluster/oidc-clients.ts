// The OIDC clients of a worker, one for each application: made when somebody first asks, closed when the configuration has the
// application no more.
import type { Application } from '../application/application.js';
import { oidcOptionsOf } from '../authentik/back-channel.js';
import type { Clock } from '../infra/clock.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { OutgoingProxies } from '../infra/outgoing-proxy.js';
import type { SpanFacts, Tracing } from '../infra/tracing.js';
import type { IdpHealth } from '../metrics/idp-health.js';
import { createOidcClient, type OidcClient, type OidcEvent } from '../oidc/client.js';

const TEXTS: Readonly<Record<OidcEvent['event'], string>> = {
  discovered: 'identity provider: discovered',
  discovery_failed: 'identity provider: discovery failed',
  request_object_required:
    'identity provider: it demands a request object (require_signed_request_object), which akprox does not send: if logins are refused, switch that off for this client at the identity provider',
  error_described: 'identity provider: what it says to what it refused',
  userinfo_failed: 'identity provider: userinfo could not be read',
  groups_missing:
    'identity provider: a login brought no list of groups, which access.groups needs: see claims.groups and oidc.scopes',
  groups_left_out:
    'identity provider: a login brought _claim_names instead of a list of groups, which access.groups needs: the user is in more groups than a token takes, so let the identity provider send only those of this application',
  groups_lost:
    'identity provider: a renewal brought no list of groups, which access.groups needs, so the session ends: see claims.groups and claims.keep',
  introspection_unsupported: 'identity provider: it has no introspection endpoint, so bearer tokens are refused',
};

export interface OidcClientsOptions {
  readonly clock: Clock;
  readonly log: GatedLog;
  readonly proxies?: OutgoingProxies | undefined;
  readonly idps: IdpHealth;
  /** Null: nothing is traced. */
  readonly tracing: Tracing | null;
}

export class OidcClients {
  private readonly options: OidcClientsOptions;
  private readonly clients = new Map<Application, OidcClient>();

  constructor(options: OidcClientsOptions) {
    this.options = options;
  }

  of(application: Application): OidcClient {
    const known = this.clients.get(application);
    if (known !== undefined) return known;
    const client = this.create(application);
    this.clients.set(application, client);
    return client;
  }

  /** Closes those that are not for one of `applications`, and discovers the providers of all others in the background. */
  update(applications: readonly Application[]): void {
    const current = new Set(applications);
    for (const [application, client] of this.clients) {
      if (current.has(application)) continue;
      client.close();
      this.clients.delete(application);
    }
    for (const application of applications) this.of(application).warmUp();
  }

  close(): void {
    for (const client of this.clients.values()) client.close();
  }

  private create(application: Application): OidcClient {
    const { clock, log, proxies, idps, tracing } = this.options;
    const facts = { provider: application.name };
    const called = { 'akprox.provider': application.name };
    return createOidcClient({
      oidc: application.config.oidc,
      claims: application.config.claims,
      access: application.config.access,
      redirectUri: application.redirectUri,
      now: clock.now,
      monotonic: clock.monotonic,
      proxies,
      watch: (url) => {
        const ended = tracing === null ? null : tracing.asked('identity provider', { ...called, ...placeOf(url) });
        return (status) => {
          idps.called(application.name, status);
          ended?.(status === null || status >= 400, { 'http.response.status_code': status ?? 0 });
        };
      },
      ...oidcOptionsOf(application.config.authentik, proxies),
      log: ({ event, error, endpoint, description }) => {
        if (description !== undefined) log.debug({ ...facts, endpoint, description }, TEXTS[event], endpoint);
        else if (error === undefined) log[event === 'request_object_required' ? 'warn' : 'info'](facts, TEXTS[event]);
        else log.warn({ ...facts, err: error }, TEXTS[event]);
      },
    });
  }
}

/** Without the query: an endpoint is the operator's, what it is asked with may be a secret. */
function placeOf(url: string): SpanFacts {
  const { host, pathname } = new URL(url);
  return { 'server.address': host, 'url.path': pathname };
}
