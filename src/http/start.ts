// P/start begins a login: checks where it shall lead, seals the attempt into a cookie, sends the browser to the IdP.
import { randomBytes } from 'node:crypto';
import type { Application } from '../application/application.js';
import { resolveReturnUrl, returnsToCallback } from '../application/return-url.js';
import { AkproxError } from '../infra/errors.js';
import { saveAttempt } from './attempt.js';
import { type Reply, redirect, type Snapshot } from './exchange.js';
import { readerOf } from './page-layout.js';
import { callbackNotRoutedPage } from './pages.js';
import { isForSomebodyElse } from './somebody-else.js';
import { asking, type StepContext } from './steps.js';

export async function start(context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  if (returnsToCallback(request.query, application.returnTarget)) {
    const reference = context.references.write(
      'warn',
      { provider: application.name, code: 'callback_not_routed', path: `${application.prefix}/callback` },
      'login not begun: the proxy asks about the callback instead of routing it to akprox',
    );
    return callbackNotRoutedPage(readerOf(context, request), application, reference);
  }
  const target = resolveReturnUrl(request.query, application.returnTarget);
  const { beginLogin } = await import('../oidc/flow.js');
  const login = await beginLogin(context.oidc(application), randomBytes, isForSomebodyElse(request.query)).catch(
    (error: unknown) => {
      const reason = error instanceof AkproxError ? error.code : 'internal';
      const about = { provider: application.name, reason, by: asking(context, request) };
      context.audit.write({ ...about, audit: 'login', result: 'failed' });
      throw error;
    },
  );
  const { url, ...remembered } = login;
  context.countLogin(application, 'started');
  return redirect(url, saveAttempt(application, { ...remembered, target }, request, context.now()));
}
