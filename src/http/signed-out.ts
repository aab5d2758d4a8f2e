// P/signed_out, where a sign-out ends: the one `post_logout_redirect_uri` of an application.
import type { Application } from '../application/application.js';
import { type Reply, redirect, type Snapshot } from './exchange.js';
import { ownSession } from './own-session.js';
import { readerOf } from './page-layout.js';
import { signedInPage, signedOutPage } from './session-pages.js';
import { openSignOut } from './sign-out-state.js';
import { somebodyElseQuery } from './somebody-else.js';
import type { StepContext } from './steps.js';

export async function signedOut(context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  const reader = readerOf(context, request);
  // Whoever has signed in again since, or has followed somebody's link, is not signed out.
  const session = await ownSession(context, request, application);
  if (session !== null) return signedInPage(reader, application, session.claims.preferredUsername);
  const state = openSignOut(application, request.query, context.now());
  if (state?.somebodyElse) return redirect(application.startUrl + somebodyElseQuery(state.target));
  return signedOutPage(reader, application, state);
}
