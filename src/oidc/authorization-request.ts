// The authorization request (OIDC Core §3.1.2.1), and what it asks for beyond our own parameters: `oidc.authorization_params`, and whether
// that came true. In the URL that the browser gets, or pushed to the identity provider first (PAR, RFC 9126).
import * as openid from 'openid-client';
import { AkproxError } from '../infra/errors.js';
import { LEEWAY, type OidcClient } from './client.js';
import { refused } from './failures.js';

const PUSHED = 'the pushed authorization request endpoint';

/** `own`: our parameters, which no setting changes. */
export async function authorizationUrl(client: OidcClient, own: Readonly<Record<string, string>>): Promise<URL> {
  const { configuration, metadata } = await client.discover();
  const params = { ...client.oidc.authorization_params, ...own };
  if (!client.oidc.par && metadata.require_pushed_authorization_requests !== true)
    return openid.buildAuthorizationUrl(configuration, params);
  if (metadata.pushed_authorization_request_endpoint === undefined)
    throw new AkproxError(
      'idp_rejected',
      'oidc.par is set or the identity provider demands it, but its discovery document names no pushed_authorization_request_endpoint',
    );
  return client.pushes.run(() =>
    openid.buildAuthorizationUrlWithPAR(configuration, params).catch((error: unknown) => {
      const failed = refused(client, error, PUSHED);
      // It was there a moment ago, or its metadata would not be.
      throw failed.code === 'idp_unreachable' ? new AkproxError('idp_failed', failed.message, failed.cause) : failed;
    }),
  );
}

/** `payload` of the ID token, `startedAt` in Unix milliseconds: when we sent the browser. */
export function checkAuthentication(
  client: OidcClient,
  payload: Readonly<Record<string, unknown>>,
  startedAt: number,
): void {
  const { acr_values: wanted, max_age: oldest } = client.oidc.authorization_params ?? {};
  const { acr, auth_time: authenticated } = payload;
  if (wanted !== undefined && !(typeof acr === 'string' && wanted.split(' ').includes(acr)))
    throw insufficient('acr_values', 'acr', acr === undefined);
  if (oldest === undefined) return;
  // From when the browser was sent: what a person takes to confirm something is no reason to ask for the password again.
  const since = startedAt / 1_000 - Number(oldest) - LEEWAY;
  if (!(typeof authenticated === 'number' && authenticated >= since))
    throw insufficient('max_age', 'auth_time', authenticated === undefined);
}

function insufficient(setting: string, claim: string, absent: boolean): AkproxError {
  const text = absent ? `brought no ${claim}` : `brought another ${claim} than was asked for`;
  return new AkproxError('login_insufficient', `the login ${text} (${setting} in oidc.authorization_params)`);
}
