// P/sign_out ends every session of the user at this provider, clears the cookie and goes on to the IdP's end-session
// endpoint (OIDC RP-Initiated Logout 1.0).
import { AkproxError } from '../infra/errors.js';
import { endSessionUrl } from '../oidc/flow.js';
import type { Provider } from '../provider/provider.js';
import { resolveReturnUrl } from '../provider/return-url.js';
import { findTickets, sessionCookie } from './cookies.js';
import { type Reply, redirect, type Snapshot } from './exchange.js';
import { signedOutPage } from './pages.js';
import type { StepContext } from './steps.js';

/** What a shared browser kept of the application goes too; cookies and storage are the application's own business. */
const CLEAR = ['Clear-Site-Data', '"cache"'] as const;

export async function signOut(context: StepContext, request: Snapshot, provider: Provider): Promise<Reply> {
  let idToken: string | null = null;
  for (const cookie of findTickets(request.getHeaders('cookie'), provider.cookieNeedle)) {
    const found = await context.sessions.read(cookie, provider);
    // Its own session first, and told to every worker even if the store knows it no more: a sign-out whose first attempt
    // lost its answer is complete after the second.
    await context.sessions.end(cookie, provider, 'sign_out');
    if (found === null) continue;
    idToken = found.session.idToken;
    await context.sessions.endSubject(provider, found.session.claims.sub, 'sign_out');
  }
  const gone = sessionCookie(provider, '', 0);
  const url = await endSession(context, provider, idToken, resolveReturnUrl(request.query, provider.returnTarget));
  if (url !== null) return redirect(url, [gone], [CLEAR]);
  const page = signedOutPage(provider);
  return { ...page, headers: [...page.headers, CLEAR, ['Set-Cookie', gone]] };
}

/** Null when the IdP has no such endpoint or does not answer: the sessions here have ended either way. */
async function endSession(
  context: StepContext,
  provider: Provider,
  idToken: string | null,
  target: string,
): Promise<string | null> {
  try {
    return await endSessionUrl(context.oidc(provider), { idToken, postLogoutRedirectUri: target });
  } catch (cause) {
    if (!(cause instanceof AkproxError)) throw cause;
    context.log.warn(
      { err: cause, code: cause.code, provider: provider.name },
      'signed out here, but not at the identity provider',
    );
    return null;
  }
}
