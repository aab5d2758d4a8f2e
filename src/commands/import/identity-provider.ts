// Which identity provider it is, and how akprox asks it.
import type { Reader } from './reader.js';

export interface IdentityProvider {
  readonly oidc: Record<string, unknown> & { readonly scopes?: readonly string[] };
  readonly claims: Record<string, unknown>;
}

/** Where the kind of provider says who the issuer is. */
const ISSUERS: Readonly<Record<string, string>> = {
  google: 'https://accounts.google.com',
  gitlab: 'https://gitlab.com',
};
const OIDC = new Set(['oidc', 'keycloak-oidc', 'keycloak', 'entra-id', 'azure', 'adfs', 'google', 'gitlab', 'cidaas']);
const DEFAULT_SCOPES = ['openid', 'email', 'profile'];
/** akprox sets these itself. */
const OWN_PARAMETERS = new Set([
  'client_id',
  'redirect_uri',
  'response_type',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'approval_prompt',
]);

/** A text is why there can be none. */
export function identityProviderOf(read: Reader): IdentityProvider | string {
  const kind = read.text('provider') || 'google';
  if (!OIDC.has(kind)) {
    return `provider ${kind} is no OpenID Connect provider, and akprox speaks nothing else: put one in between, as deploy/identity-providers/github.md does`;
  }
  const issuer = issuerOf(read, kind);
  if (issuer === '') return `oidc_issuer_url is missing, and provider ${kind} does not say it`;
  const clientId = read.text('client_id');
  if (clientId === '') return 'client_id is missing';
  const scopes = read
    .text('scope')
    .split(' ')
    .filter((scope) => scope !== '');
  const [ca, ...moreCas] = read.list('provider_ca_files');
  if (moreCas.length > 0) read.say('provider_ca_files', `oidc.ca is one file: put ${moreCas.join(', ')} into it`);
  const algorithms = read.list('oidc_enabled_signing_algs');
  const secret = read.secret('client_secret');
  const parameters = parametersOf(read);
  const groups = groupsClaimOf(read);
  const byEmail = read.isOn('prefer_email_to_user');
  return {
    oidc: {
      issuer,
      client_id: clientId,
      ...(secret !== undefined && { client_secret: secret }),
      scopes: scopes.length > 0 ? scopes : defaultScopes(read, kind),
      ...(Object.keys(parameters).length > 0 && { authorization_params: parameters }),
      ...(ca !== undefined && { ca }),
      ...(algorithms.length === 1 && { id_token_signed_response_alg: algorithms[0] }),
    },
    claims: { ...(byEmail && { username: 'email' }), ...(groups !== '' && { groups }) },
  };
}

/** Those of oauth2-proxy. */
function defaultScopes(read: Reader, kind: string): string[] {
  const wantsGroups = kind === 'oidc' && read.list('allowed_groups').length > 0;
  return [...DEFAULT_SCOPES, ...(wantsGroups ? ['groups'] : [])];
}

/** Roles of Keycloak's realm are elsewhere than groups. */
function groupsClaimOf(read: Reader): string {
  const named = read.text('oidc_groups_claim');
  const roles = read.list('allowed_roles');
  const groups = [...read.list('allowed_groups'), ...read.list('keycloak_groups')];
  const rolesOnly = roles.length > 0 && groups.length === 0 && roles.every((role) => !role.includes(':'));
  return named === '' && rolesOnly ? 'realm_access.roles' : named;
}

function issuerOf(read: Reader, kind: string): string {
  const named = read.text('oidc_issuer_url');
  if (named !== '') return named;
  const tenant = read.text('azure_tenant');
  if (kind === 'azure' && tenant !== '') return `https://login.microsoftonline.com/${tenant}/v2.0`;
  const realm = /^(.*\/realms\/[^/]+)\/protocol\//.exec(read.text('login_url'));
  return realm?.[1] ?? ISSUERS[kind] ?? '';
}

function parametersOf(read: Reader): Record<string, string> {
  const parameters: Record<string, string> = {};
  for (const name of ['prompt', 'acr_values', 'resource']) {
    const value = read.text(name) || read.text(`login parameter ${name}`);
    if (value !== '') parameters[name] = value;
  }
  for (const option of read.left()) {
    const [, name = ''] = /^login parameter (.+)$/.exec(option) ?? [];
    if (name === '') continue;
    const value = read.text(option);
    if (!OWN_PARAMETERS.has(name)) parameters[name] = value;
  }
  return parameters;
}
