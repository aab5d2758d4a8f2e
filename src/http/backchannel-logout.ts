// P/backchannel_logout: the IdP says that a session of its own has ended (OIDC Back-Channel Logout 1.0 §2.5 to §2.8).

import type { Application } from '../application/application.js';
import { AkproxError } from '../infra/errors.js';
import { json, type Reply, type Snapshot } from './exchange.js';
import { isNavigation } from './fetch-metadata.js';
import { readerOf } from './page-layout.js';
import { notFoundPage } from './pages.js';
import { asking, type StepContext } from './steps.js';

/** Largest body that is read, in bytes: logout tokens have some hundred, and those of strangers may have to wait for a key. */
export const LOGOUT_BODY_LIMIT = 16_384;

export async function backchannelLogout(
  context: StepContext,
  request: Snapshot,
  application: Application,
  body: string,
): Promise<Reply> {
  if (request.method !== 'POST') {
    if (!isNavigation(request.method, request)) return POST_ONLY;
    const page = notFoundPage(readerOf(context, request), application);
    return { ...page, status: 405, headers: [...page.headers, ALLOW] };
  }
  try {
    return await endSessions(context, request, application, body);
  } catch (error) {
    if (!(error instanceof AkproxError)) throw error;
    const facts = { err: error, code: error.code, provider: application.name };
    context.log.warn(
      facts,
      'back-channel logout not possible at the moment; the identity provider may try again',
      error.code,
    );
    return NOT_NOW;
  }
}

const ALLOW = ['Allow', 'POST'] as const;
const POST_ONLY: Reply = json(405, { error: 'invalid_request', error_description: 'POST only' }, [ALLOW]);

/** Our fault or that of the identity provider, not the token's: a 400 would tell it that there is nothing to try again. */
const NOT_NOW: Reply = json(503, { error: 'temporarily_unavailable' }, [['Retry-After', '10']]);

async function endSessions(
  context: StepContext,
  request: Snapshot,
  application: Application,
  body: string,
): Promise<Reply> {
  const tokens = new URLSearchParams(body).getAll('logout_token');
  const token = tokens.length === 1 ? tokens[0] : undefined;
  if (token === undefined) return invalid('exactly one logout_token is required');
  const { verifyLogoutToken } = await import('../oidc/logout-token.js');
  const verified = await verifyLogoutToken(context.oidc(application), token, { now: context.now });
  if (!verified.ok) {
    // By reason: anybody can send what is no token at all, and that must not hide what is wrong with the identity provider's own.
    const { reason } = verified;
    const text = 'back-channel logout refused: the logout token is not valid';
    context.log.warn({ provider: application.name, reason }, text, reason);
    return invalid('the logout token is not valid');
  }
  const { issuer } = application.config.oidc;
  if (await context.sessions.isUsed(issuer, verified.jti)) return invalid('the logout token was used before');
  const by = asking(context, request);
  const { sub, sid } = verified;
  const ended = await (sid === ''
    ? context.sessions.endSubject(application, sub, 'backchannel', by)
    : context.sessions.endSidOf(application, verified, 'backchannel', by));
  await context.sessions.remember(issuer, verified.jti);
  context.log.info({ provider: application.name, ended }, 'back-channel logout: sessions ended');
  return { status: 200, headers: [['Cache-Control', 'no-store']], body: '' };
}

function invalid(description: string): Reply {
  return json(400, { error: 'invalid_request', error_description: description });
}
