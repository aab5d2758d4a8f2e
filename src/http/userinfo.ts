// P/userinfo: JSON about the caller's own session, without tokens. Also the cheap "am I signed in?" for applications.
import type { Application } from '../application/application.js';
import { findTickets } from './cookies.js';
import { json, type Reply, type Snapshot } from './exchange.js';
import type { StepContext } from './steps.js';

export async function userinfo(context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  for (const cookie of findTickets(request.getHeaders('cookie'), application.cookieNeedle)) {
    const found = await context.sessions.read(cookie, application);
    if (found === null) continue;
    const { claims, expiresAt } = found.session;
    return json(200, {
      sub: claims.sub,
      email: claims.email,
      name: claims.name,
      preferred_username: claims.preferredUsername,
      groups: claims.groups,
      provider: application.name,
      expires_at: Math.floor(expiresAt / 1_000),
    });
  }
  return json(401, { error: 'login_required', login_url: application.startUrl });
}
