// The readable pages, and the one table that turns an error code into what a person reads. A page never shows a token, a parameter of
// the IdP or anything else that was sent to us. What it says is in texts/, in every language.

import type { Application } from '../application/application.js';
import { type AkproxError, ERROR_CODES, type ErrorCode } from '../infra/errors.js';
import type { Reply } from './exchange.js';
import { type Action, hasRoomFor, pageFor, type Reader, tell } from './page-layout.js';
import { somebodyElseQuery } from './somebody-else.js';
import type { TextKey } from './texts/english.js';

/** Texts with nothing to be filled in. */
interface ErrorTexts {
  readonly title: ErrorText;
  readonly text: ErrorText;
}
type ErrorText = Extract<TextKey, `${ErrorCode | 'misconfigured'}.${string}`>;

const MISCONFIGURED: ErrorTexts = { title: 'misconfigured.title', text: 'misconfigured.text' };

const UNREACHABLE: ErrorTexts = { title: 'idp_unreachable.title', text: 'idp_unreachable.text' };

const ERRORS: Readonly<Record<ErrorCode, ErrorTexts>> = {
  config_invalid: MISCONFIGURED,
  listen_failed: MISCONFIGURED,
  worker_unusable: MISCONFIGURED,
  store_unusable: MISCONFIGURED,
  store_unavailable: { title: 'store_unavailable.title', text: 'store_unavailable.text' },
  idp_unreachable: UNREACHABLE,
  idp_failed: UNREACHABLE,
  idp_rejected: { title: 'idp_rejected.title', text: 'idp_rejected.text' },
  token_invalid: { title: 'token_invalid.title', text: 'token_invalid.text' },
  login_denied: { title: 'login_denied.title', text: 'login_denied.text' },
  login_refused: { title: 'login_refused.title', text: 'login_refused.text' },
  login_insufficient: { title: 'login_insufficient.title', text: 'login_insufficient.text' },
  login_expired: { title: 'login_expired.title', text: 'login_expired.text' },
  login_unknown: { title: 'login_unknown.title', text: 'login_unknown.text' },
  request_invalid: { title: 'request_invalid.title', text: 'request_invalid.text' },
  internal: { title: 'internal.title', text: 'internal.text' },
};

export interface Failure {
  readonly application: Application;
  /** Of the line in the log; null when there is none. */
  readonly reference: string | null;
  /** Starts the login again. */
  readonly retryUrl: string;
}

export function errorPage(reader: Reader, { code }: AkproxError, failure: Failure): Reply {
  const { title, text } = ERRORS[code];
  const { application, reference, retryUrl } = failure;
  return pageFor(reader, {
    status: ERROR_CODES[code].status,
    title: tell(reader, title),
    text: [tell(reader, text)],
    actions: [
      { href: hasRoomFor(retryUrl) ? retryUrl : application.startUrl, label: tell(reader, 'action.start_again') },
    ],
    report: { code, application, reference },
  });
}

/** No link: whoever starts again comes back here. */
export function callbackNotRoutedPage(reader: Reader, application: Application, reference: string | null): Reply {
  const { prefix, displayName } = application;
  const values = { path: `${prefix}/callback`, prefix: `${prefix}/`, application: displayName };
  return pageFor(reader, {
    status: 400,
    title: tell(reader, 'callback_not_routed.title'),
    text: [tell(reader, 'callback_not_routed.text', values)],
    actions: [],
    report: { code: 'callback_not_routed', application, reference },
  });
}

/** Somebody who is signed in and may not pass. */
export interface Denial {
  readonly user: string;
  /** What was asked for. */
  readonly url: string;
  readonly reference: string | null;
}

export function forbiddenPage(reader: Reader, application: Application, denial: Denial): Reply {
  const { user, url, reference } = denial;
  return pageFor(reader, {
    status: 403,
    title: tell(reader, 'forbidden.title'),
    text: [
      tell(reader, 'denied.user', { user }),
      tell(reader, 'forbidden.text', { application: application.displayName }),
    ],
    actions: [somebodyElse(reader, application, url), signOutLink(reader, application)],
    report: { code: 'forbidden', application, reference },
  });
}

export function tooLargePage(reader: Reader, application: Application, denial: Denial): Reply {
  const { user, url, reference } = denial;
  return pageFor(reader, {
    status: 403,
    title: tell(reader, 'identity_too_large.title'),
    text: [
      tell(reader, 'denied.user', { user }),
      tell(reader, 'identity_too_large.text', { application: application.displayName }),
    ],
    actions: [somebodyElse(reader, application, url), signOutLink(reader, application)],
    report: { code: 'identity_too_large', application, reference },
  });
}

/**
 * A sign-out that goes on to a login: while the identity provider's own session lives, it would sign the same person in again. `url`: where
 * the login leads.
 */
function somebodyElse(reader: Reader, application: Application, url: string): Action {
  const target = hasRoomFor(encodeURIComponent(url)) ? url : null;
  return { post: application.signOutUrl + somebodyElseQuery(target), label: tell(reader, 'action.somebody_else') };
}

function signOutLink(reader: Reader, { signOutUrl }: Application): Action {
  return { href: signOutUrl, label: tell(reader, 'action.sign_out') };
}

/** A 503 of a check. */
export function unavailablePage(
  reader: Reader,
  application: Application,
  {
    code,
    url,
    reference,
  }: Pick<Denial, 'url' | 'reference'> & { readonly code: 'store_unavailable' | 'idp_unreachable' },
): Reply {
  return pageFor(reader, {
    status: 503,
    title: tell(reader, 'store_unavailable.title'),
    text: [tell(reader, code === 'store_unavailable' ? 'store_unavailable.text' : 'renewal_unavailable.text')],
    actions: [
      {
        href: hasRoomFor(url) ? url : `${application.origin}/`,
        label: tell(reader, 'action.try_again'),
      },
    ],
    report: { code, application, reference },
  });
}

export function notFoundPage(reader: Reader, application: Application): Reply {
  return pageFor(reader, {
    status: 404,
    title: tell(reader, 'not_found.title'),
    text: [tell(reader, 'not_found.text')],
    actions: [
      {
        href: `${application.origin}/`,
        label: tell(reader, 'action.go_home', { application: application.displayName }),
      },
    ],
    report: { code: 'not_found', application, reference: null },
  });
}

export function unknownHostPage(reader: Reader, host: string): Reply {
  return pageFor(reader, {
    status: 400,
    title: tell(reader, 'no_app.title'),
    text: [tell(reader, 'no_app.text', { host })],
    actions: [],
    report: { code: 'no_app', application: null, reference: null },
  });
}

/** The store could not delete what has ended. `idpUrl`: where the identity provider's own session is ended, or null. */
export function signedOutHerePage(reader: Reader, application: Application, idpUrl: string | null): Reply {
  const { displayName, origin } = application;
  const text = tell(reader, 'signed_out_here.text', { application: displayName });
  return pageFor(reader, {
    status: 200,
    title: tell(reader, 'signed_out_here.title'),
    text: idpUrl === null ? [text] : [text, tell(reader, 'signed_out_here.idp')],
    actions: [
      idpUrl === null
        ? { href: `${origin}/`, label: tell(reader, 'action.sign_in_again') }
        : { href: idpUrl, label: tell(reader, 'action.sign_out_at_idp') },
    ],
    report: { code: 'signed_out_here', application, reference: null },
  });
}
