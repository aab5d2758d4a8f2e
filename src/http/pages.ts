// The readable pages, and the one table that turns an error code into what a person reads. A page never shows a token, a parameter of
// the IdP or anything else that was sent to us. What it says is in texts/, in every language.

import type { Application } from '../application/application.js';
import { type AkproxError, ERROR_CODES, type ErrorCode } from '../infra/errors.js';
import type { Reply } from './exchange.js';
import { pageFor, type Reader, tell } from './page-layout.js';
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

/** The page for an error; `retryUrl` starts the login again. */
export function errorPage(reader: Reader, { code }: AkproxError, retryUrl: string | null): Reply {
  const { title, text } = ERRORS[code];
  return pageFor(reader, {
    status: ERROR_CODES[code].status,
    title: tell(reader, title),
    text: [tell(reader, text)],
    code,
    ...(retryUrl !== null && { link: { href: retryUrl, label: tell(reader, 'action.start_again') } }),
  });
}

/** No link: whoever starts again comes back here. */
export function callbackNotRoutedPage(reader: Reader, { prefix, name }: Application): Reply {
  const values = { path: `${prefix}/callback`, prefix: `${prefix}/`, application: name };
  return pageFor(reader, {
    status: 400,
    title: tell(reader, 'callback_not_routed.title'),
    text: [tell(reader, 'callback_not_routed.text', values)],
    code: 'callback_not_routed',
  });
}

export function forbiddenPage(reader: Reader, { name, signOutUrl }: Application): Reply {
  return pageFor(reader, {
    status: 403,
    title: tell(reader, 'forbidden.title'),
    text: [tell(reader, 'forbidden.text', { application: name })],
    code: 'forbidden',
    link: { href: signOutUrl, label: tell(reader, 'action.sign_out') },
  });
}

export function tooLargePage(reader: Reader, { name, signOutUrl }: Application): Reply {
  return pageFor(reader, {
    status: 403,
    title: tell(reader, 'identity_too_large.title'),
    text: [tell(reader, 'identity_too_large.text', { application: name })],
    code: 'identity_too_large',
    link: { href: signOutUrl, label: tell(reader, 'action.sign_out') },
  });
}

/** The store could not delete what has ended. `idpUrl`: where the identity provider's own session is ended, or null. */
export function signedOutHerePage(reader: Reader, { name, origin }: Application, idpUrl: string | null): Reply {
  const text = tell(reader, 'signed_out_here.text', { application: name });
  return pageFor(reader, {
    status: 200,
    title: tell(reader, 'signed_out_here.title'),
    text: idpUrl === null ? [text] : [text, tell(reader, 'signed_out_here.idp')],
    code: 'signed_out_here',
    link:
      idpUrl === null
        ? { href: `${origin}/`, label: tell(reader, 'action.sign_in_again') }
        : { href: idpUrl, label: tell(reader, 'action.sign_out_at_idp') },
  });
}
