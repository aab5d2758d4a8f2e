// P/frontchannel_logout: a page that the identity provider frames while it ends a session of its own (OIDC Front-Channel Logout 1.0
// §2 and §3). No cookie reaches a frame at another site, so it is the `sid` that says whose session it is: whoever knows none of
// them ends nothing.
import type { Application } from '../application/application.js';
import { NO_STORE, type Reply, type Snapshot } from './exchange.js';
import { asking, type StepContext } from './steps.js';

export async function frontchannelLogout(
  context: StepContext,
  request: Snapshot,
  application: Application,
): Promise<Reply> {
  const params = new URLSearchParams(request.query);
  const [iss, ...otherIssuers] = params.getAll('iss');
  const [sid = '', ...others] = params.getAll('sid');
  const facts = { provider: application.name };
  if (sid === '' || others.length + otherIssuers.length > 0 || iss !== application.config.oidc.issuer) {
    const reason = iss !== application.config.oidc.issuer ? 'iss' : 'sid';
    const text =
      'front-channel logout refused: the identity provider has to send iss, equal to oidc.issuer, and sid (its setting frontchannel_logout_session_required)';
    context.log.warn({ ...facts, reason }, text, reason);
    return emptyPage(400, application);
  }
  const ended = await context.sessions.endSid(application, sid, 'frontchannel', asking(context, request));
  if (ended > 0) context.log.info({ ...facts, ended }, 'front-channel logout: sessions ended');
  return emptyPage(200, application);
}

/** The same for everybody, so that nobody learns which `sid` there is. */
function emptyPage(status: number, application: Application): Reply {
  const { origin } = new URL(application.config.oidc.issuer);
  return {
    status,
    headers: [
      ['Content-Type', 'text/html; charset=utf-8'],
      NO_STORE,
      ['Content-Security-Policy', `default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors ${origin}`],
      ['X-Content-Type-Options', 'nosniff'],
      ['Referrer-Policy', 'no-referrer'],
    ],
    body: '',
  };
}
