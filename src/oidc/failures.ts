// openid-client's errors become ours here and nowhere else. An identity provider's error code is kept when it is a registered
// one; its description never is, because it may quote what the user typed: it is looked through for what the identity provider
// demands (demands.ts), and written at debug level alone.
import * as openid from 'openid-client';
import { AkproxError } from '../infra/errors.js';
import { isRecord, textOf } from '../infra/untyped.js';
import type { OidcClient } from './client.js';
import { adviceOn } from './demands.js';

/** RFC 6749 §4.1.2.1 and §5.2, OIDC Core §3.1.2.6, RFC 6750 §3.1, RFC 9449 §5 and §8, OIDC Unmet Authentication Requirements. */
const OAUTH_ERRORS = new Set([
  'access_denied',
  'account_selection_required',
  'consent_required',
  'insufficient_scope',
  'interaction_required',
  'invalid_client',
  'invalid_dpop_proof',
  'invalid_grant',
  'invalid_request',
  'invalid_request_object',
  'invalid_request_uri',
  'invalid_scope',
  'invalid_token',
  'login_required',
  'registration_not_supported',
  'request_not_supported',
  'request_uri_not_supported',
  'server_error',
  'temporarily_unavailable',
  'unauthorized_client',
  'unmet_authentication_requirements',
  'unsupported_grant_type',
  'unsupported_response_type',
  'use_dpop_nonce',
]);

/** The code itself if it is a registered one, else `other`: what may be logged and shown. */
export function knownOauthError(code: string): string {
  return OAUTH_ERRORS.has(code) ? code : 'other';
}

/** The OAuth error that an endpoint refused us with; null when the failure is of another kind, a fault of its own included. */
export function refusal(error: unknown): string | null {
  if (error instanceof openid.ResponseBodyError) return isFault(error.status) ? null : knownOauthError(error.error);
  if (error instanceof openid.WWWAuthenticateChallengeError) {
    if (isFault(error.status)) return null;
    const named = error.cause.map((challenge) => challenge.parameters.error).find((code) => code !== undefined);
    if (named !== undefined) return knownOauthError(named);
    if (error.cause.some(({ scheme }) => scheme === 'dpop')) return 'invalid_dpop_proof';
    return error.status === 401 ? 'invalid_client' : 'other';
  }
  return null;
}

/** `error` as ours; what the identity provider says about it goes into the log at debug level. `where`: "the token endpoint". */
export function refused(client: Pick<OidcClient, 'log'>, error: unknown, where: string): AkproxError {
  const description = printable(descriptionOf(error));
  if (description !== '') client.log({ event: 'error_described', endpoint: where, description });
  return translate(error, where);
}

/** `where`: "the token endpoint". */
export function translate(error: unknown, where: string): AkproxError {
  for (let e: unknown = error; e instanceof Error; e = e.cause) if (e instanceof AkproxError) return e;
  const code = refusal(error);
  if (code !== null) {
    return new AkproxError('idp_rejected', `${where} refused: ${code}${adviceOn(code, descriptionOf(error))}`);
  }
  if (error instanceof openid.ResponseBodyError || error instanceof openid.WWWAuthenticateChallengeError) {
    return new AkproxError('idp_unreachable', `${where} answered ${error.status}`);
  }
  if (!(error instanceof openid.ClientError))
    return new AkproxError('idp_unreachable', `${where} could not be asked`, error);
  if (error.cause instanceof Response) {
    const { status } = error.cause;
    return new AkproxError(isFault(status) ? 'idp_unreachable' : 'idp_rejected', `${where} answered ${status}`);
  }
  const check = failedTokenCheck(error);
  if (check !== null) return new AkproxError('token_invalid', `the token of ${where} was refused: ${check}`);
  if (error.code === 'OAUTH_TIMEOUT' || error.code === 'OAUTH_ABORT') {
    return new AkproxError('idp_unreachable', `${where} did not answer in time`);
  }
  return new AkproxError('idp_rejected', `${where} gave an unusable answer: ${error.message}`);
}

/** Anybody can make an identity provider describe an error. */
const LONGEST_DESCRIPTION = 200;

/** Fit for a log: one line, nothing that a terminal would obey, and not more than somebody reads. */
export function printable(description: string): string {
  return description
    .slice(0, LONGEST_DESCRIPTION)
    .replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]+/gu, ' ')
    .trim();
}

function descriptionOf(error: unknown): string {
  if (error instanceof openid.ResponseBodyError) return textOf(error.error_description);
  if (error instanceof openid.WWWAuthenticateChallengeError)
    return textOf(error.cause.find(({ parameters }) => parameters.error_description)?.parameters.error_description);
  return '';
}

function isFault(status: number): boolean {
  return status >= 500 || status === 429;
}

/** What a token that nobody but the identity provider's own partner can read is called in a log. */
export const ENCRYPTED =
  'it is encrypted (JWE), which akprox does not read: switch the encryption of ID tokens and of userinfo off for this client at the identity provider';

/** openid-client looks at an ID token before we do; which claim or header it did not like. */
function failedTokenCheck(error: openid.ClientError): string | null {
  const inner = error.cause;
  if (!(inner instanceof Error)) return null;
  if (inner.message.startsWith('JWE decryption')) return ENCRYPTED;
  const facts = isRecord(inner.cause) ? inner.cause : {};
  const aboutToken =
    error.code === 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED' || error.code === 'OAUTH_JWT_CLAIM_COMPARISON_FAILED';
  if (typeof facts['claim'] === 'string' && aboutToken) return facts['claim'];
  const named = /\bJWT "(\w+)"/.exec(inner.message)?.[1];
  if (named !== undefined) return named;
  return aboutToken || /\b(JWT|ID Token|id_token)\b/.test(inner.message) ? 'format' : null;
}
