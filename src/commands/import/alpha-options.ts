// oauth2-proxy's alpha configuration (YAML), by the names that its other configuration file has.
import { isRecord } from '../../infra/untyped.js';
import type { GivenOption, GivenOptions } from './given-options.js';

/** What stands below `providers[0]`. */
const PROVIDER: Readonly<Record<string, string>> = {
  clientID: 'client_id',
  clientSecret: 'client_secret',
  clientSecretFile: 'client_secret_file',
  provider: 'provider',
  name: 'provider_display_name',
  caFiles: 'provider_ca_files',
  useSystemTrustStore: 'use_system_trust_store',
  loginURL: 'login_url',
  redeemURL: 'redeem_url',
  profileURL: 'profile_url',
  skipClaimsFromProfileURL: 'skip_claims_from_profile_url',
  validateURL: 'validate_url',
  resource: 'resource',
  scope: 'scope',
  allowedGroups: 'allowed_groups',
  code_challenge_method: 'code_challenge_method',
  additionalClaims: 'additional_claims',
  backendLogoutURL: 'backend_logout_url',
  authRequestResponseMode: 'auth_request_response_mode',
  'oidcConfig.issuerURL': 'oidc_issuer_url',
  'oidcConfig.insecureAllowUnverifiedEmail': 'insecure_oidc_allow_unverified_email',
  'oidcConfig.insecureSkipIssuerVerification': 'insecure_oidc_skip_issuer_verification',
  'oidcConfig.insecureSkipNonce': 'insecure_oidc_skip_nonce',
  'oidcConfig.skipDiscovery': 'skip_oidc_discovery',
  'oidcConfig.jwksURL': 'oidc_jwks_url',
  'oidcConfig.publicKeyFiles': 'oidc_public_key_files',
  'oidcConfig.emailClaim': 'oidc_email_claim',
  'oidcConfig.groupsClaim': 'oidc_groups_claim',
  'oidcConfig.userIDClaim': 'user_id_claim',
  'oidcConfig.audienceClaims': 'oidc_audience_claims',
  'oidcConfig.extraAudiences': 'oidc_extra_audiences',
  'oidcConfig.enabledSigningAlgs': 'oidc_enabled_signing_algs',
  'keycloakConfig.groups': 'keycloak_groups',
  'keycloakConfig.roles': 'allowed_roles',
  'azureConfig.tenant': 'azure_tenant',
  'azureConfig.graphGroupField': 'azure_graph_group_field',
  'microsoftEntraIDConfig.allowedTenants': 'entra_id_allowed_tenants',
  'microsoftEntraIDConfig.federatedTokenAuth': 'entra_id_federated_token_auth',
  'githubConfig.org': 'github_org',
  'githubConfig.team': 'github_team',
  'githubConfig.repo': 'github_repo',
  'githubConfig.users': 'github_users',
  'gitlabConfig.group': 'gitlab_groups',
  'gitlabConfig.projects': 'gitlab_projects',
  'googleConfig.group': 'google_groups',
  'googleConfig.adminEmail': 'google_admin_email',
  'googleConfig.serviceAccountJson': 'google_service_account_json',
};

const SERVER: Readonly<Record<string, string>> = {
  bindAddress: 'http_address',
  secureBindAddress: 'https_address',
  'tls.cert.fromFile': 'tls_cert_file',
  'tls.key.fromFile': 'tls_key_file',
  'tls.minVersion': 'tls_min_version',
  'tls.cipherSuites': 'tls_cipher_suites',
};

/** What akprox has no option for keeps its path as its name. */
export function alphaOptions(document: Record<string, unknown>): GivenOptions {
  const options = new Map<string, GivenOption>();
  const { providers, server, metricsServer, upstreamConfig, injectRequestHeaders, injectResponseHeaders, ...others } =
    document;
  const [first, ...further] = Array.isArray(providers) ? (providers as unknown[]) : [];
  name(first, '', PROVIDER, 'providers[0].');
  if (further.length > 0) options.set('providers[1]', { values: further.map((one) => JSON.stringify(one)) });
  name(server, '', SERVER, 'server.');
  const metrics = isRecord(metricsServer) ? metricsServer['bindAddress'] : undefined;
  if (typeof metrics === 'string') options.set('metrics_address', { values: [metrics] });
  const upstreams = isRecord(upstreamConfig) ? upstreamConfig['upstreams'] : undefined;
  if (Array.isArray(upstreams)) {
    const uris = (upstreams as unknown[]).map((one) => (isRecord(one) ? String(one['uri'] ?? 'static://') : ''));
    options.set('upstreams', { values: uris });
  }
  if (Array.isArray(injectRequestHeaders))
    options.set('injectRequestHeaders', { values: headers(injectRequestHeaders) });
  if (Array.isArray(injectResponseHeaders))
    options.set('injectResponseHeaders', { values: headers(injectResponseHeaders) });
  name(others, '', {}, '');
  return options;

  function name(value: unknown, path: string, names: Readonly<Record<string, string>>, above: string): void {
    if (path === 'loginURLParameters') parameters(value);
    else if (isRecord(value)) {
      for (const [key, inner] of Object.entries(value)) name(inner, path === '' ? key : `${path}.${key}`, names, above);
    } else if (value !== undefined && value !== null && path !== 'id') {
      const values = Array.isArray(value) ? (value as unknown[]).map(String) : [String(value)];
      options.set(names[path] ?? above + path, { values });
    }
  }

  /** `prompt` and others are options of their own elsewhere. */
  function parameters(value: unknown): void {
    for (const one of Array.isArray(value) ? (value as unknown[]) : []) {
      if (!isRecord(one) || !Array.isArray(one['default'])) continue;
      options.set(`login parameter ${String(one['name'])}`, {
        values: [(one['default'] as unknown[]).map(String).join(' ')],
      });
    }
  }
}

function headers(list: readonly unknown[]): string[] {
  return list.map((one) => (isRecord(one) ? String(one['name']) : ''));
}
