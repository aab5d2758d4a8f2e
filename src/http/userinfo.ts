// P/userinfo: JSON about the caller's own session, without tokens. Also the cheap "am I signed in?" for applications.
import type { Application } from '../application/application.js';
import { endOf } from '../session/session.js';
import { json, type Reply, type Snapshot } from './exchange.js';
import { ownSessionRenewed } from './own-session.js';
import type { StepContext } from './steps.js';

export async function userinfo(context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  const session = await ownSessionRenewed(context, request, application);
  if (session === null) return json(401, { error: 'login_required', login_url: application.startUrl });
  const { claims } = session;
  return json(200, {
    sub: claims.sub,
    email: claims.email,
    name: claims.name,
    preferred_username: claims.preferredUsername,
    groups: claims.groups,
    provider: application.name,
    expires_at: Math.floor(endOf(session) / 1_000),
  });
}
