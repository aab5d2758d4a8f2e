// One identity provider, asked as a worker would ask it: discovery, keys, whether it knows the client, and whether it would send a browser
// back. The client is told from the answer to a code that is none: who is not the client hears of that first (RFC 6749 §5.2).
import { randomBytes } from 'node:crypto';
import { errors } from 'jose';
import * as openid from 'openid-client';
import { registeredUris } from '../../application/registered-uris.js';
import type { ProviderConfig } from '../../config/schema.js';
import { AkproxError, explain } from '../../infra/errors.js';
import type { OutgoingProxies } from '../../infra/outgoing-proxy.js';
import { createOidcClient } from '../../oidc/client.js';
import type { DiscoveredProvider } from '../../oidc/configured.js';
import { knownOauthError, refusal, translate } from '../../oidc/failures.js';
import { outgoingFetch } from '../../oidc/outgoing-fetch.js';
import type { OnlineReport } from './online-findings.js';

export interface ProviderQuestion {
  readonly provider: ProviderConfig;
  readonly subject: string;
  readonly proxies: OutgoingProxies | undefined;
  readonly now: () => number;
  readonly monotonic: () => number;
}

const TIMEOUT = 10_000;

export async function askProvider(question: ProviderQuestion, report: OnlineReport): Promise<void> {
  const { provider, subject, proxies, now, monotonic } = question;
  const { oidc } = provider;
  const redirectUri = registeredUris(provider).redirect;
  const client = createOidcClient({ oidc, redirectUri, now, monotonic, proxies });
  let discovered: DiscoveredProvider;
  try {
    discovered = await client.discover();
  } catch (error) {
    const unusable = error instanceof AkproxError && error.code === 'idp_rejected';
    report.add(unusable ? 'idp_unusable' : 'idp_unreachable', subject, explain(error));
    return;
  } finally {
    client.close();
  }
  report.passed.push(`${subject}: the identity provider calls itself ${oidc.issuer}`);
  if (discovered.metadata.end_session_endpoint === undefined)
    report.add('no_end_session', subject, 'discovery names no end_session_endpoint');
  await askForKeys(question, discovered, report);
  await askForTheClient(question, discovered, redirectUri, report);
  await askForTheRedirect(question, discovered, redirectUri, report);
}

async function askForKeys(
  { subject }: ProviderQuestion,
  { keys, algorithms }: DiscoveredProvider,
  report: OnlineReport,
): Promise<void> {
  const [alg = ''] = algorithms;
  try {
    const input = { protected: '', payload: '', signature: '' };
    await keys.use(async (select) => select({ alg }, input), 'identity_provider', true);
  } catch (error) {
    // Several fit: a token says which by its `kid`.
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) {
      const missing = error instanceof errors.JWKSNoMatchingKey;
      report.add('idp_keys', subject, missing ? `the key set has no key for ${alg}` : explain(error));
      return;
    }
  }
  report.passed.push(`${subject}: there is a key for ${alg}`);
}

async function askForTheClient(
  { provider, subject }: ProviderQuestion,
  { configuration }: DiscoveredProvider,
  redirectUri: string,
  report: OnlineReport,
): Promise<void> {
  const parameters = {
    code: 'akprox-check',
    redirect_uri: redirectUri,
    code_verifier: randomBytes(32).toString('base64url'),
  };
  let code: string | null = null;
  try {
    await openid.genericGrantRequest(configuration, 'authorization_code', parameters);
  } catch (error) {
    code = refusal(error);
    if (code === null) {
      report.add('idp_unreachable', subject, translate(error, 'the token endpoint').message);
      return;
    }
    // Keycloak says `unauthorized_client` to a wrong secret.
    if (code === 'invalid_client' || code === 'unauthorized_client') {
      report.add('client_refused', subject, translate(error, 'the token endpoint').message);
      return;
    }
  }
  const { client_id: id, client_secret: secret, private_key: key } = provider.oidc;
  const whom = `${id}${secret === undefined && key === undefined ? ', which has no secret to be told by' : ''}`;
  if (code === 'invalid_grant') report.passed.push(`${subject}: the token endpoint takes us for the client ${whom}`);
  else
    report.unseen.push(
      `${subject}: whether the token endpoint takes us for the client; it answered ${code ?? 'with tokens'}`,
    );
}

async function askForTheRedirect(
  { provider, subject, proxies }: ProviderQuestion,
  { metadata }: DiscoveredProvider,
  redirectUri: string,
  report: OnlineReport,
): Promise<void> {
  if (metadata.authorization_endpoint === undefined) {
    report.add('idp_unusable', subject, 'discovery names no authorization_endpoint');
    return;
  }
  const url = new URL(metadata.authorization_endpoint);
  const parameters = {
    response_type: 'code',
    client_id: provider.oidc.client_id,
    redirect_uri: redirectUri,
    scope: provider.oidc.scopes.join(' '),
    prompt: 'none',
    state: randomBytes(16).toString('base64url'),
    nonce: randomBytes(16).toString('base64url'),
    code_challenge: randomBytes(32).toString('base64url'),
    code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const ask = outgoingFetch({ ca: provider.oidc.ca, proxies });
  let answer: Response;
  try {
    answer = await ask(url.href, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT) });
    await answer.body?.cancel();
  } catch {
    report.unseen.push(
      `${subject}: whether the redirect URI is registered: the authorization endpoint cannot be asked from here`,
    );
    return;
  }
  judge(answer, url, redirectUri, subject, report);
}

/** What an identity provider says to somebody who is not signed in there and may be shown no page (OIDC Core §3.1.2.6). */
const NOT_SIGNED_IN = ['login_required', 'interaction_required', 'consent_required', 'account_selection_required'];

function judge(answer: Response, asked: URL, redirectUri: string, subject: string, report: OnlineReport): void {
  const text = answer.headers.get('location') ?? '';
  const location = URL.canParse(text, asked.href) ? new URL(text, asked) : null;
  const back = location !== null && `${location.origin}${location.pathname}` === redirectUri;
  const error = location?.searchParams.get('error') ?? null;
  const seen = (where: string): string =>
    `the identity provider sends the browser ${where} with the error ${knownOauthError(error ?? '')}`;
  if (back && (error === null || NOT_SIGNED_IN.includes(error)))
    report.passed.push(`${subject}: the identity provider sends browsers back to ${redirectUri}`);
  else if (back) report.add('redirect_uri_refused', subject, seen('back'));
  // Hydra has a page of its own for what it cannot send back.
  else if (error !== null) report.add('redirect_uri_refused', subject, seen('to a page of its own'));
  else if (answer.status >= 400 && answer.status < 500)
    report.add(
      'redirect_uri_refused',
      subject,
      `the authorization endpoint answered ${answer.status} for ${redirectUri}`,
    );
  else
    report.unseen.push(`${subject}: whether the redirect URI is registered: the identity provider shows a page first`);
}
