// `/` of the login host, in `forward_domain`: who is signed in. A login that was to lead nowhere else ends here (contract §1).
import type { Application } from '../application/application.js';
import { isHostOf } from '../application/public-origin.js';
import type { Reply, Snapshot } from './exchange.js';
import { ownSession } from './own-session.js';
import { readerOf } from './page-layout.js';
import { nobodyPage, signedInPage } from './session-pages.js';
import type { StepContext } from './steps.js';

/** Never at the host of a protected application, where `/` is the application's. `host` as the proxy sent it. */
export function isLoginHostPage(application: Application, host: string, path: string): boolean {
  return path === '/' && application.config.mode === 'forward_domain' && isHostOf(application, host);
}

export async function loginHostPage(context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  const reader = readerOf(context, request);
  const session = await ownSession(context, request, application);
  return session === null
    ? nobodyPage(reader, application)
    : signedInPage(reader, application, session.claims.preferredUsername);
}
