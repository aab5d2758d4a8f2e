// What `akprox check --online` can find, and what to change then. docs/configuration.md is made of this.

interface Remedy {
  readonly severity: 'error' | 'warning';
  readonly meaning: string;
  readonly change: string;
}

export const REMEDIES = {
  idp_unreachable: {
    severity: 'error',
    meaning: 'The identity provider, or a part of it, cannot be asked from here.',
    change:
      'look at `oidc.issuer` (host, port, path), the network, the certificate (`oidc.ca`), `HTTPS_PROXY` and `NO_PROXY`; `oidc.internal_url` if it has another address inside',
  },
  idp_unusable: {
    severity: 'error',
    meaning:
      'What the identity provider says about itself does not fit the configuration: how its issuer is spelled, which algorithms it has.',
    change: 'write what the identity provider says, `oidc.issuer` with the very slash at its end',
  },
  idp_keys: {
    severity: 'error',
    meaning: 'The key set cannot be read, or has no key for the algorithm of ID tokens.',
    change:
      'set `oidc.id_token_signed_response_alg` to what the client has at the identity provider, or give it a key for that',
  },
  client_refused: {
    severity: 'error',
    meaning: 'The identity provider does not take us for the client.',
    change:
      'compare `oidc.client_id`, `oidc.client_secret` (or `oidc.private_key`) and `oidc.token_endpoint_auth_method` with the client at the identity provider',
  },
  redirect_uri_refused: {
    severity: 'warning',
    meaning:
      'Asked for a login that needs no page, the identity provider showed an error instead of sending the browser back.',
    change:
      'register the redirect URI that `akprox check` prints, to the letter; look at the client id and the scopes too',
  },
  no_end_session: {
    severity: 'warning',
    meaning:
      'The identity provider has no end-session endpoint: a sign-out ends the session here, and the next login may need no password.',
    change: 'nothing, if that is meant; some identity providers have one under a setting',
  },
  certificate_expired: {
    severity: 'error',
    meaning: 'A certificate of the HTTPS listener counts no more, or not yet.',
    change: 'renew it; akprox takes a new file without a restart',
  },
  certificate_ends: {
    severity: 'warning',
    meaning: 'A certificate of the HTTPS listener ends within two weeks.',
    change: 'renew it; akprox takes a new file without a restart',
  },
  certificate_name: {
    severity: 'error',
    meaning: 'The certificate of a provider is not for its `external_host`.',
    change: 'name the certificate of that host in `tls.cert`, or take `tls` away',
  },
  store_unreachable: {
    severity: 'error',
    meaning: 'The store cannot be used.',
    change: 'look at `store`: address, password and TLS of Redis, or the rights of the directory',
  },
  authentik_unreachable: {
    severity: 'error',
    meaning: 'authentik cannot be asked, or does not take the token.',
    change: 'look at `AUTHENTIK_HOST` and `AUTHENTIK_TOKEN`: the token of an outpost of type Proxy',
  },
} as const satisfies Record<string, Remedy>;

export type OnlineCode = keyof typeof REMEDIES;

export interface OnlineFinding {
  readonly code: OnlineCode;
  readonly severity: 'error' | 'warning';
  /** `providers[0] (whoami)`, `listen.tls`, `store`. */
  readonly subject: string;
  readonly seen: string;
  readonly change: string;
}

export class OnlineReport {
  readonly findings: OnlineFinding[] = [];
  /** What was asked and is well, and what could not be told. */
  readonly passed: string[] = [];
  readonly unseen: string[] = [];

  add(code: OnlineCode, subject: string, seen: string): void {
    const { severity, change } = REMEDIES[code];
    this.findings.push({ code, severity, subject, seen, change });
  }
}
