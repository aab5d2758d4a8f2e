// The readable pages, escaped, with no script and nothing fetched from elsewhere; and the one table that turns an error
// code into what a person reads. A page never shows a token, a parameter of the IdP or anything else that was sent to us.

import type { Application } from '../application/application.js';
import { type AkproxError, ERROR_CODES, type ErrorCode } from '../infra/errors.js';
import type { Reply } from './exchange.js';

interface Page {
  readonly status: number;
  readonly title: string;
  readonly text: string;
  /** Stable code for a report to the operator. */
  readonly code: string;
  readonly link?: { readonly href: string; readonly label: string };
}

const TEXTS: Record<ErrorCode, { title: string; text: string }> = {
  config_invalid: {
    title: 'Configuration error',
    text: 'The outpost is not set up correctly. Its operator finds the reason in its log.',
  },
  listen_failed: {
    title: 'Configuration error',
    text: 'The outpost is not set up correctly. Its operator finds the reason in its log.',
  },
  worker_unusable: {
    title: 'Configuration error',
    text: 'The outpost is not set up correctly. Its operator finds the reason in its log.',
  },
  store_unusable: {
    title: 'Not available',
    text: 'Sessions cannot be stored. The operator of the outpost finds the reason in its log.',
  },
  store_unavailable: {
    title: 'Not available at the moment',
    text: 'Sessions cannot be read or saved right now. Nobody has been signed out; please try again in a moment.',
  },
  idp_unreachable: {
    title: 'Login is not available at the moment',
    text: 'The identity provider does not answer. Please try again in a moment; if it lasts, tell the operator.',
  },
  idp_rejected: {
    title: 'The login could not be completed',
    text: 'The identity provider refused to complete this login. Start again; if it happens twice, tell the operator.',
  },
  token_invalid: {
    title: 'The login could not be completed',
    text: 'The identity provider answered with a token that is not valid here. Start again; if it happens twice, tell the operator.',
  },
  login_denied: {
    title: 'Login was refused',
    text: 'The identity provider did not let you in, or the login was cancelled.',
  },
  login_expired: {
    title: 'This login took too long',
    text: 'A login has to be completed within ten minutes. Please start again.',
  },
  login_unknown: {
    title: 'This login is not known here',
    text: 'It was begun in another browser, was completed already, or the browser did not keep its cookie. Please start again.',
  },
  request_invalid: {
    title: 'This request cannot be understood',
    text: 'A part of it is missing, doubled or malformed. Please start again.',
  },
  internal: {
    title: 'Something went wrong',
    text: 'The outpost failed to answer. Its operator finds the reason in its log.',
  },
};

/** The page for an error; `retryUrl` starts the login again. */
export function errorPage(error: AkproxError, retryUrl: string | null): Reply {
  const { title, text } = TEXTS[error.code];
  return page({
    status: ERROR_CODES[error.code].status,
    title,
    text,
    code: error.code,
    ...(retryUrl === null ? {} : { link: { href: retryUrl, label: 'Start again' } }),
  });
}

/** No link: whoever starts again comes back here. */
export function callbackNotRoutedPage(application: Application): Reply {
  return page({
    status: 400,
    title: 'The login cannot be completed',
    text: `The identity provider sent you back to ${application.prefix}/callback, but the reverse proxy in front of ${application.name} does not pass that path to the outpost. Its operator has to route ${application.prefix}/ on this host to akprox.`,
    code: 'callback_not_routed',
  });
}

export function forbiddenPage(application: Application): Reply {
  return page({
    status: 403,
    title: 'You may not use this application',
    text: `You are signed in, but your account is not among those that may use ${application.name}. Ask its owner for access, or sign in as somebody else.`,
    code: 'forbidden',
    link: { href: application.signOutUrl, label: 'Sign out' },
  });
}

export function tooLargePage(application: Application): Reply {
  return page({
    status: 403,
    title: 'Your account has too many groups',
    text: `You are signed in, but what is known about your account is too large to be passed on to ${application.name}. Most often that is a long list of groups. Tell the operator of the outpost, whose log names the size and the setting (headers.max_bytes).`,
    code: 'identity_too_large',
    link: { href: application.signOutUrl, label: 'Sign out' },
  });
}

export function signedOutPage(application: Application): Reply {
  return page({
    status: 200,
    title: 'You are signed out',
    text: `Your sessions at ${application.name} have ended.`,
    code: 'signed_out',
    link: { href: `${application.origin}/`, label: 'Sign in again' },
  });
}

/** The store could not delete what has ended. `idpUrl`: where the identity provider's own session is ended, or null. */
export function signedOutHerePage(application: Application, idpUrl: string | null): Reply {
  return page({
    status: 200,
    title: 'You are signed out in this browser',
    text:
      `Your session at ${application.name} is refused here from now on. It could not be removed from the session store, which cannot be written at the moment; ` +
      'that is tried again without you. If you are signed in elsewhere, sign out there too, or again here in a while.' +
      (idpUrl === null ? '' : ' Your session at the identity provider has not ended yet.'),
    code: 'signed_out_here',
    link:
      idpUrl === null
        ? { href: `${application.origin}/`, label: 'Sign in again' }
        : { href: idpUrl, label: 'Sign out at the identity provider' },
  });
}

function page(content: Page): Reply {
  const link = content.link
    ? `<p><a href="${escapeHtml(content.link.href)}">${escapeHtml(content.link.label)}</a></p>`
    : '';
  const body = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(content.title)}</title><style>${STYLE}</style></head>
<body><main><h1>${escapeHtml(content.title)}</h1><p>${escapeHtml(content.text)}</p>${link}
<p class="code">akprox: ${escapeHtml(content.code)}</p></main></body></html>
`;
  return {
    status: content.status,
    headers: [
      ['Content-Type', 'text/html; charset=utf-8'],
      ['Cache-Control', 'no-store'],
      [
        'Content-Security-Policy',
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      ],
      ['X-Content-Type-Options', 'nosniff'],
      ['Referrer-Policy', 'no-referrer'],
      ...(content.status === 503 ? [['Retry-After', '5'] as const] : []),
    ],
    body,
  };
}

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;margin:0;color:#1c2733;background:#f3f5f7}' +
  'main{max-width:32rem;margin:15vh auto 0;padding:2rem;background:#fff;border-radius:.5rem;box-shadow:0 1px 4px #0002}' +
  'h1{font-size:1.3rem;margin-top:0}a{color:#0b5cad}.code{color:#6b7785;font-size:.8rem;margin-bottom:0}' +
  '@media(prefers-color-scheme:dark){body{background:#14181d;color:#dfe5ec}main{background:#1e242b}a{color:#7db8f0}}';

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
