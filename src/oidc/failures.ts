// openid-client's errors become ours here and nowhere else. An identity provider's error code is kept when it is a registered
// one; its description never is, because it may quote what the user typed.
import * as openid from 'openid-client';
import { AkproxError } from '../infra/errors.js';
import { isRecord } from '../infra/untyped.js';

/** RFC 6749 §4.1.2.1 and §5.2, OIDC Core §3.1.2.6, RFC 6750 §3.1. */
const OAUTH_ERRORS = new Set([
  'access_denied',
  'account_selection_required',
  'consent_required',
  'insufficient_scope',
  'interaction_required',
  'invalid_client',
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
  'unsupported_grant_type',
  'unsupported_response_type',
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
    return named === undefined ? (error.status === 401 ? 'invalid_client' : 'other') : knownOauthError(named);
  }
  return null;
}

/** Which setting to look at. */
const ADVICE: Readonly<Record<string, string>> = {
  invalid_client:
    ' (compare oidc.client_id, oidc.client_secret and oidc.token_endpoint_auth_method with the identity provider)',
};

/** `where`: "the token endpoint". */
export function translate(error: unknown, where: string): AkproxError {
  for (let e: unknown = error; e instanceof Error; e = e.cause) if (e instanceof AkproxError) return e;
  const code = refusal(error);
  if (code !== null) return new AkproxError('idp_rejected', `${where} refused: ${code}${ADVICE[code] ?? ''}`);
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

function isFault(status: number): boolean {
  return status >= 500 || status === 429;
}

/** openid-client looks at an ID token before we do; which claim or header it did not like. */
function failedTokenCheck(error: openid.ClientError): string | null {
  const inner = error.cause;
  if (!(inner instanceof Error)) return null;
  const facts = isRecord(inner.cause) ? inner.cause : {};
  const aboutToken =
    error.code === 'OAUTH_JWT_TIMESTAMP_CHECK_FAILED' || error.code === 'OAUTH_JWT_CLAIM_COMPARISON_FAILED';
  if (typeof facts['claim'] === 'string' && aboutToken) return facts['claim'];
  const named = /\bJWT "(\w+)"/.exec(inner.message)?.[1];
  if (named !== undefined) return named;
  return aboutToken || /\b(JWT|ID Token|id_token)\b/.test(inner.message) ? 'format' : null;
}
