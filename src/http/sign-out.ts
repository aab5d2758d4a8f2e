// P/sign_out ends every session of the user at this application, clears the cookie and goes on to the IdP's end-session
// endpoint (OIDC RP-Initiated Logout 1.0), which sends the browser back to P/signed_out; or there straight away.

import type { Application } from '../application/application.js';
import { findReturnUrl } from '../application/return-url.js';
import { AkproxError } from '../infra/errors.js';
import { findTickets, sessionCookie } from './cookies.js';
import { json, type Reply, redirect, type Snapshot } from './exchange.js';
import { isUnasked } from './fetch-metadata.js';
import { readerOf } from './page-layout.js';
import { signedOutHerePage } from './pages.js';
import { type IdpSession, sealSignOut } from './sign-out-state.js';
import { isForSomebodyElse } from './somebody-else.js';
import { asking, type StepContext } from './steps.js';

/** What a shared browser kept of the application goes too; cookies and storage are the application's own business. */
const CLEAR = ['Clear-Site-Data', '"cache"'] as const;

/** To a prefetch, or a part of some page: nothing has ended. */
const UNASKED: Reply = json(403, {
  error: 'sign_out_refused',
  message: 'a prefetch, an image, a frame or another site signs nobody out',
});

export async function signOut(context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  if (isUnasked(request)) return UNASKED;
  const idTokens: string[] = [];
  let deleted = true;
  for (const cookie of findTickets(request.getHeaders('cookie'), application.cookieNeedle)) {
    const ended = await context.sessions.signOut(cookie, application, asking(context, request));
    if (ended === null) continue;
    if (ended.idToken !== null) idTokens.push(ended.idToken);
    deleted &&= ended.deleted;
  }
  const gone = sessionCookie(application, '', 0);
  // The sessions of one person end together, so a second token is somebody else's, whose cookie a neighbouring host has planted.
  // With a hint at the wrong one the identity provider would leave this person's session alone; with none it looks at its own.
  const [idToken = null] = idTokens.length === 1 ? idTokens : [];
  const target = findReturnUrl(request.query, application.returnTarget);
  const somebodyElse = isForSomebodyElse(request.query);
  const stateOf = (idpSession: IdpSession): string =>
    sealSignOut(application, { idpSession, target, somebodyElse }, context.now());
  const idp = await endSession(context, application, idToken, stateOf('sent'));
  if (deleted) {
    const url = idp.url ?? `${application.signedOutUrl}?state=${stateOf(idp.session)}`;
    return redirect(url, [gone], [CLEAR]);
  }
  // Somebody whose sign-out is not complete is told so, before the identity provider's page is all that there is to see.
  const page = signedOutHerePage(readerOf(context, request), application, idp.url);
  return { ...page, headers: [...page.headers, CLEAR, ['Set-Cookie', gone]] };
}

/** Without a URL when the IdP has no such endpoint or does not answer: the sessions here have ended either way. */
async function endSession(
  context: StepContext,
  application: Application,
  idToken: string | null,
  state: string,
): Promise<{ readonly url: string | null; readonly session: IdpSession }> {
  const postLogoutRedirectUri = application.signedOutUrl;
  try {
    const { endSessionUrl } = await import('../oidc/flow.js');
    const url = await endSessionUrl(context.oidc(application), { idToken, postLogoutRedirectUri, state });
    return { url, session: 'kept' };
  } catch (cause) {
    if (!(cause instanceof AkproxError)) throw cause;
    context.log.warn(
      { err: cause, code: cause.code, provider: application.name },
      'signed out here, but not at the identity provider',
    );
    return { url: null, session: 'unreachable' };
  }
}
