// Nobody is signed in: what is public passes, and who brings no credentials, or none that we look at, gets a challenge. Both create
// nothing: no cookie, no state, no store call. That is what makes storms of them harmless (contract §2.5).

import type { Application } from '../application/application.js';
import type { ForwardUrl } from '../application/forward-url.js';
import { inBandStep } from '../application/own-paths.js';
import { LONGEST_RETURN_URL } from '../application/return-url.js';
import { counted, type Decision } from './decision.js';
import type { Dialect } from './dialects.js';
import type { HeaderSource } from './exchange.js';
import { isNavigation } from './fetch-metadata.js';
import { ACCESS_CONTROL_REQUEST_METHOD, ORIGIN } from './header-names.js';
import { type Inquiry, inspect } from './inquiry.js';

/** What the operator lets through with no session, with an identity set that is complete and empty. */
export function letPublicPass(inquiry: Inquiry): Decision | null {
  const { application, dialect, req, url } = inquiry;
  const isPublic =
    application.allowList?.matches(url) === true || (application.config.allow_preflight && isPreflight(dialect, req));
  if (!isPublic) return null;
  // Whoever is let through is so for headers that were inspected.
  return (
    inspect(inquiry) ??
    counted(application, 'anonymous', { kind: 'allow', application, block: application.anonymousBlock, key: '' })
  );
}

/**
 * Behind nginx nothing is passed as a preflight: its recipes need not set X-Original-Method, so a client could, and would
 * have a way around every login.
 */
function isPreflight(dialect: Dialect, req: HeaderSource): boolean {
  return (
    dialect.relaysAnswers &&
    dialect.method(req) === 'OPTIONS' &&
    req.get(ORIGIN) !== '' &&
    req.get(ACCESS_CONTROL_REQUEST_METHOD) !== ''
  );
}

export function challenge({ application, dialect, req, url }: Inquiry): Decision {
  return counted(application, 'challenged', {
    kind: 'challenge',
    loginUrl: loginUrl(application, url),
    navigation: isNavigation(dialect.method(req), req),
  });
}

function loginUrl({ startUrl }: Application, url: ForwardUrl): string {
  if (url.href.length <= LONGEST_RETURN_URL) return `${startUrl}?rd=${encodeURIComponent(url.href)}`;
  // P/start checks `rd` before it believes it; a target that is too long to be accepted there need not be sent. But a callback
  // that the proxy does not route must be known there, however long its code is.
  const isCallback = inBandStep(url.path, url.query) === 'callback';
  return isCallback
    ? `${startUrl}?rd=${encodeURIComponent(`${url.scheme}://${url.host}${url.path}?code&state`)}`
    : startUrl;
}
