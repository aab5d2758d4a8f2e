// P/callback ends a login: matches the browser's attempt, redeems the code, begins a session under a new id.
import { createHash } from 'node:crypto';
import type { Application } from '../application/application.js';
import { CALLBACK_SIGNATURE } from '../application/own-paths.js';
import { AkproxError, type ErrorCode } from '../infra/errors.js';
import { adviceOn } from '../oidc/demands.js';
import type { CallbackOutcome, LoginResult } from '../oidc/flow.js';
import { personOf } from '../session/audit.js';
import { type Attempt, dropAttempt, findAttempt } from './attempt.js';
import { browserLabel } from './browser-label.js';
import { findTickets, sessionCookie } from './cookies.js';
import { type Reply, redirect, type Snapshot } from './exchange.js';
import { readerOf } from './page-layout.js';
import { errorPage } from './pages.js';
import { asking, type StepContext } from './steps.js';

export async function callback(context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  try {
    return await endLogin(context, request, application);
  } catch (error) {
    tellRefusal(context, request, application, error instanceof AkproxError ? error.code : 'internal');
    throw error;
  }
}

async function endLogin(context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  const params = new URLSearchParams(request.query);
  params.delete(CALLBACK_SIGNATURE);
  const { callbackOutcome } = await import('../oidc/flow.js');
  const outcome = callbackOutcome(params);
  if (outcome.kind === 'malformed')
    throw new AkproxError('request_invalid', 'the callback has no state, or a parameter twice');

  if (outcome.kind === 'error') {
    const { error, description } = outcome;
    if (description !== '')
      context.log.debug(
        { provider: application.name, error, description },
        'what the identity provider says to the login that it refused',
      );
    if (outcome.state === '') throw refusedLogin('login_refused', outcome, 'and named no login');
  }

  const attempt = findAttempt(application, outcome.state, request, context.now());
  if (attempt === null || attempt === 'expired') {
    const target = await targetOfReplay(context, request, application, outcome.state, true);
    if (target !== null) return redirect(target);
    throw attempt === null
      ? new AkproxError('login_unknown', 'no attempt cookie for this state')
      : new AkproxError('login_expired', 'the attempt is older than ten minutes');
  }

  return context.endedLogins.once(application, attempt, () => answer(context, request, application, attempt, outcome));
}

type Outcome = Exclude<CallbackOutcome, { kind: 'malformed' }>;

async function answer(
  context: StepContext,
  request: Snapshot,
  application: Application,
  attempt: Attempt,
  outcome: Outcome,
): Promise<Reply> {
  const end = context.endedLogins.endOf(application, attempt);
  if (end !== undefined && end.how !== 'succeeded')
    return failurePage(context, request, application, attempt, new AkproxError(end.how, 'a replay'), end.reference);
  // Another worker may have completed it.
  const target = await targetOfReplay(context, request, application, attempt.state, end !== undefined);
  if (target !== null) return redirect(target, [dropAttempt(application, attempt.state)]);
  if (end !== undefined)
    return failurePage(context, request, application, attempt, new AkproxError('login_unknown', 'a replay'), null);
  return complete(context, request, application, attempt, outcome);
}

async function complete(
  context: StepContext,
  request: Snapshot,
  application: Application,
  attempt: Attempt,
  outcome: Outcome,
): Promise<Reply> {
  if (outcome.kind === 'error') {
    const denied = outcome.error === 'access_denied';
    context.countLogin(application, denied ? 'denied' : 'failed');
    const error = refusedLogin('idp_rejected', outcome);
    const reference = context.references.write(
      'warn',
      { err: error, code: error.code, provider: application.name },
      'login refused by the identity provider',
    );
    await context.logWritten?.();
    tellRefusal(context, request, application, error.code, reference);
    context.endedLogins.end(application, attempt, error.code, reference);
    return failurePage(context, request, application, attempt, error, reference);
  }

  try {
    const { finishLogin } = await import('../oidc/flow.js');
    const login = await finishLogin(context.oidc(application), { code: outcome.code, iss: outcome.iss }, attempt);
    const { cookie, maxAge } = await beginSession(context, request, application, attempt, login);
    context.endedLogins.end(application, attempt, 'succeeded');
    const forget = dropAttempt(application, attempt.state);
    return redirect(attempt.target, [sessionCookie(application, cookie, maxAge), forget]);
  } catch (cause) {
    context.countLogin(application, 'failed');
    if (!(cause instanceof AkproxError)) {
      context.endedLogins.end(application, attempt, 'internal');
      throw cause;
    }
    const facts = { err: cause, code: cause.code, provider: application.name };
    const reference = context.references.write('warn', facts, 'login failed');
    await context.logWritten?.();
    tellRefusal(context, request, application, cause.code, reference);
    context.endedLogins.end(application, attempt, cause.code, reference);
    // The code is spent or the fault is permanent: a page, never a restart of our own, which could go on for ever.
    return failurePage(context, request, application, attempt, cause, reference);
  }
}

function tellRefusal(
  context: StepContext,
  request: Snapshot,
  application: Application,
  reason: ErrorCode,
  reference?: string | null,
): void {
  const result = reason === 'login_denied' ? 'denied' : 'failed';
  const about = { provider: application.name, result, reason, by: asking(context, request) } as const;
  context.audit.write({ ...about, audit: 'login', ...(reference && { reference }) });
}

/** `unlessDenied`: when it was not the person who said no, or about whom no was said. */
function refusedLogin(
  unlessDenied: 'idp_rejected' | 'login_refused',
  { error, description }: Extract<CallbackOutcome, { kind: 'error' }>,
  more = '',
): AkproxError {
  const answered = `the identity provider answered ${error}${more && ` ${more}`}`;
  return new AkproxError(
    error === 'access_denied' ? 'login_denied' : unlessDenied,
    answered + adviceOn(error, description),
  );
}

async function beginSession(
  context: StepContext,
  request: Snapshot,
  application: Application,
  attempt: Attempt,
  login: LoginResult,
): Promise<{ cookie: string; maxAge: number }> {
  const now = context.now();
  const by = asking(context, request);
  const { lifetime, refresh } = application.config.session;
  const refreshToken = refresh ? login.refreshToken : null;
  const expiresAt = Math.min(login.expiresAt, now + lifetime);
  if (expiresAt <= now) throw new AkproxError('token_invalid', 'the token has expired already: compare the clocks');
  const { cookie, key, kind } = await context.sessions.begin(application, {
    provider: application.id,
    claims: login.claims,
    createdAt: now,
    renewedAt: now,
    expiresAt,
    ...(refreshToken !== null && { endsAt: now + lifetime }),
    idToken: login.idToken,
    jwt: application.config.headers.pass_jwt ? login.jwt : '',
    refreshToken,
    loginState: stateHash(attempt.state),
    loginTarget: attempt.target,
    device: { browser: browserLabel(request.getHeader('user-agent')), client: by().client },
  });
  // A new id at every login (session fixation), and the one before it ends.
  for (const old of findTickets(request.getHeaders('cookie'), application.cookieNeedle)) {
    await context.sessions.replaced(old, application, by);
  }
  const about = { provider: application.name, ...personOf(application, login.claims), session: key, by };
  context.audit.write(
    kind === 'allow'
      ? { ...about, audit: 'login', result: 'succeeded' }
      : { ...about, audit: 'login', result: 'forbidden', reason: kind },
  );
  context.countLogin(application, kind === 'allow' ? 'succeeded' : 'forbidden');
  // A session that is renewed goes on under the same cookie, which an allowed check has no way to set again.
  const lasts = refreshToken === null ? expiresAt - now : lifetime;
  return { cookie, maxAge: Math.ceil(lasts / 1_000) };
}

/**
 * A callback that comes a second time (reload, back button) while its session lives: where that login led. `anySession`: one of
 * another login will do, and leads home.
 */
async function targetOfReplay(
  context: StepContext,
  request: Snapshot,
  application: Application,
  state: string,
  anySession: boolean,
): Promise<string | null> {
  let home: string | null = null;
  for (const cookie of findTickets(request.getHeaders('cookie'), application.cookieNeedle)) {
    const found = await context.sessions.read(cookie, application);
    if (found === null) continue;
    if (found.session.loginState === stateHash(state)) return found.session.loginTarget;
    if (anySession) home = `${application.origin}/`;
  }
  return home;
}

function failurePage(
  context: StepContext,
  request: Snapshot,
  application: Application,
  attempt: Attempt,
  error: AkproxError,
  reference: string | null,
): Reply {
  const failure = { application, reference, retryUrl: retryUrl(application, attempt) };
  const page = errorPage(readerOf(context, request), error, failure);
  return withCookies(page, [dropAttempt(application, attempt.state)]);
}

function stateHash(state: string): string {
  return createHash('sha256').update(state).digest('base64url');
}

function retryUrl(application: Application, attempt: Attempt): string {
  return `${application.startUrl}?rd=${encodeURIComponent(attempt.target)}`;
}

function withCookies(reply: Reply, cookies: readonly string[]): Reply {
  return { ...reply, headers: [...reply.headers, ...cookies.map((cookie) => ['Set-Cookie', cookie] as const)] };
}
