// P/userinfo: JSON about the caller's own session, without tokens. Also the cheap "am I signed in?" for applications.
import type { Provider } from '../application/application.js';
import { findTickets } from './cookies.js';
import { json, type Reply, type Snapshot } from './exchange.js';
import type { StepContext } from './steps.js';

export async function userinfo(context: StepContext, request: Snapshot, provider: Provider): Promise<Reply> {
  for (const cookie of findTickets(request.getHeaders('cookie'), provider.cookieNeedle)) {
    const found = await context.sessions.read(cookie, provider);
    if (found === null) continue;
    const { claims, expiresAt } = found.session;
    return json(200, {
      sub: claims.sub,
      email: claims.email,
      name: claims.name,
      preferred_username: claims.preferredUsername,
      groups: claims.groups,
      provider: provider.name,
      expires_at: Math.floor(expiresAt / 1_000),
    });
  }
  return json(401, { error: 'login_required', login_url: `${provider.origin}${provider.prefix}/start` });
}
