// P/callback ends a login: matches the browser's attempt, redeems the code, begins a session under a new id.
import { createHash } from 'node:crypto';
import type { Provider } from '../application/application.js';
import { AkproxError } from '../infra/errors.js';
import { type CallbackOutcome, callbackOutcome, finishLogin, type LoginResult } from '../oidc/flow.js';
import { type Attempt, dropAttempt, findAttempt } from './attempt.js';
import { findTickets, sessionCookie } from './cookies.js';
import { type Reply, redirect, type Snapshot } from './exchange.js';
import { errorPage } from './pages.js';
import { type StepContext, startUrl } from './steps.js';

export async function callback(context: StepContext, request: Snapshot, provider: Provider): Promise<Reply> {
  const params = new URLSearchParams(request.query);
  params.delete('X-authentik-auth-callback');
  const outcome = callbackOutcome(params);
  if (outcome.kind === 'malformed')
    throw new AkproxError('request_invalid', 'the callback has no state, or a parameter twice');

  const attempt = findAttempt(provider, outcome.state, request, context.now());
  if (attempt === null || attempt === 'expired') {
    const target = await targetOfReplay(context, request, provider, outcome.state, true);
    if (target !== null) return redirect(target);
    throw attempt === null
      ? new AkproxError('login_unknown', 'no attempt cookie for this state')
      : new AkproxError('login_expired', 'the attempt is older than ten minutes');
  }

  return context.endedLogins.once(provider, attempt, () => answer(context, request, provider, attempt, outcome));
}

type Outcome = Exclude<CallbackOutcome, { kind: 'malformed' }>;

async function answer(
  context: StepContext,
  request: Snapshot,
  provider: Provider,
  attempt: Attempt,
  outcome: Outcome,
): Promise<Reply> {
  const end = context.endedLogins.endOf(provider, attempt);
  if (end !== undefined && end !== 'succeeded') return failurePage(provider, attempt, new AkproxError(end, 'a replay'));
  // Another worker may have completed it.
  const target = await targetOfReplay(context, request, provider, attempt.state, end === 'succeeded');
  if (target !== null) return redirect(target, [dropAttempt(provider, attempt.state)]);
  if (end === 'succeeded') return failurePage(provider, attempt, new AkproxError('login_unknown', 'a replay'));
  return complete(context, request, provider, attempt, outcome);
}

async function complete(
  context: StepContext,
  request: Snapshot,
  provider: Provider,
  attempt: Attempt,
  outcome: Outcome,
): Promise<Reply> {
  if (outcome.kind === 'error') {
    const denied = outcome.error === 'access_denied';
    context.countLogin(provider, denied ? 'denied' : 'failed');
    const error = new AkproxError(
      denied ? 'login_denied' : 'idp_rejected',
      `the identity provider answered ${outcome.error}`,
    );
    context.endedLogins.end(provider, attempt, error.code);
    context.log.warn({ err: error, code: error.code, provider: provider.name }, 'a login was refused');
    return failurePage(provider, attempt, error);
  }

  try {
    const login = await finishLogin(context.oidc(provider), { code: outcome.code, iss: outcome.iss }, attempt);
    const { cookie, maxAge } = await beginSession(context, request, provider, attempt, login);
    context.endedLogins.end(provider, attempt, 'succeeded');
    context.countLogin(provider, 'succeeded');
    const forget = dropAttempt(provider, attempt.state);
    return redirect(attempt.target, [sessionCookie(provider, cookie, maxAge), forget]);
  } catch (cause) {
    context.endedLogins.end(provider, attempt, cause instanceof AkproxError ? cause.code : 'internal');
    context.countLogin(provider, 'failed');
    if (!(cause instanceof AkproxError)) throw cause;
    context.log.warn({ err: cause, code: cause.code, provider: provider.name }, 'a login could not be completed');
    // The code is spent or the fault is permanent: a page, never a restart of our own, which could go on for ever.
    return failurePage(provider, attempt, cause);
  }
}

async function beginSession(
  context: StepContext,
  request: Snapshot,
  provider: Provider,
  attempt: Attempt,
  login: LoginResult,
): Promise<{ cookie: string; maxAge: number }> {
  const now = context.now();
  const expiresAt = Math.min(login.expiresAt, now + provider.config.session.lifetime);
  if (expiresAt <= now) throw new AkproxError('token_invalid', 'the token has expired already: compare the clocks');
  const cookie = await context.sessions.create(provider, {
    provider: provider.id,
    claims: login.claims,
    createdAt: now,
    renewedAt: now,
    expiresAt,
    idToken: login.idToken,
    jwt: provider.config.headers.pass_jwt ? login.jwt : '',
    refreshToken: provider.config.session.refresh ? login.refreshToken : null,
    loginState: stateHash(attempt.state),
    loginTarget: attempt.target,
  });
  // A new id at every login (session fixation), and the one before it ends.
  for (const old of findTickets(request.getHeaders('cookie'), provider.cookieNeedle)) {
    await context.sessions.end(old, provider, 'replaced');
  }
  // A session that is renewed goes on under the same cookie, which an allowed check has no way to set again.
  const lasts =
    provider.config.session.refresh && login.refreshToken !== null ? provider.config.session.lifetime : expiresAt - now;
  return { cookie, maxAge: Math.ceil(lasts / 1_000) };
}

/**
 * A callback that comes a second time (reload, back button) while its session lives: where that login led. `anySession`: one of
 * another login will do, and leads home.
 */
async function targetOfReplay(
  context: StepContext,
  request: Snapshot,
  provider: Provider,
  state: string,
  anySession: boolean,
): Promise<string | null> {
  let home: string | null = null;
  for (const cookie of findTickets(request.getHeaders('cookie'), provider.cookieNeedle)) {
    const found = await context.sessions.read(cookie, provider);
    if (found === null) continue;
    if (found.session.loginState === stateHash(state)) return found.session.loginTarget;
    if (anySession) home = `${provider.origin}/`;
  }
  return home;
}

function failurePage(provider: Provider, attempt: Attempt, error: AkproxError): Reply {
  return withCookies(errorPage(error, retryUrl(provider, attempt)), [dropAttempt(provider, attempt.state)]);
}

function stateHash(state: string): string {
  return createHash('sha256').update(state).digest('base64url');
}

function retryUrl(provider: Provider, attempt: Attempt): string {
  return `${startUrl(provider)}?rd=${encodeURIComponent(attempt.target)}`;
}

function withCookies(reply: Reply, cookies: readonly string[]): Reply {
  return { ...reply, headers: [...reply.headers, ...cookies.map((cookie) => ['Set-Cookie', cookie] as const)] };
}
