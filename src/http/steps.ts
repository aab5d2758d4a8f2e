// What the steps of a login share, and the one place where their errors become a page.

import type { JWK } from 'jose';
import type { Application } from '../application/application.js';
import { AkproxError } from '../infra/errors.js';
import type { GatedLog } from '../infra/log-gate.js';
import type { References } from '../infra/references.js';
import type { Tracing } from '../infra/tracing.js';
import type { OidcClient } from '../oidc/client.js';
import type { Audit, Requester } from '../session/audit.js';
import type { Sessions } from '../session/sessions.js';
import type { EndedLogins } from './ended-logins.js';
import type { Reply, Snapshot } from './exchange.js';
import { type PageContext, readerOf } from './page-layout.js';
import { errorPage } from './pages.js';
import { type RequesterContext, requesterOf } from './requester.js';

export interface StepContext extends PageContext, RequesterContext {
  readonly sessions: Sessions;
  /** Of the assertions that an application is sent. */
  readonly publicKeys: (application: Application) => Promise<readonly JWK[]>;
  readonly oidc: (application: Application) => OidcClient;
  readonly endedLogins: EndedLogins;
  readonly log: GatedLog;
  readonly audit: Audit;
  /** Null: nothing is traced. */
  readonly tracing: Tracing | null;
  /** For a line whose reference is on a page. */
  readonly references: References;
  /** Resolves when lines of the log are out: whoever gets a page about one can look for it there. Without it: at once. */
  readonly logWritten?: () => Promise<void>;
  /** `result` label of `akprox_logins_total`. */
  readonly countLogin: (application: Application, result: LoginCount) => void;
}

/** `forbidden`: somebody has logged in who may not use the application. */
export type LoginCount = 'started' | 'succeeded' | 'forbidden' | 'denied' | 'failed';

export type Step = (context: StepContext, request: Snapshot, application: Application) => Promise<Reply>;

/** Who asks for a step, for the audit. */
export function asking(context: StepContext, request: Snapshot): () => Requester {
  return () => requesterOf(context, request, request.peer);
}

/** Runs a step; whatever it throws becomes a page that says what happened and offers to start again. */
export function runStep(step: Step, context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  const run = () => answerTo(step, context, request, application);
  const facts = { 'akprox.provider': application.name };
  return context.tracing === null
    ? run()
    : context.tracing.around(step.name, request.getHeader('traceparent'), facts, run, ({ status }) => ({
        failed: status >= 500,
        facts: { 'http.response.status_code': status },
      }));
}

async function answerTo(step: Step, context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  try {
    return await step(context, request, application);
  } catch (cause) {
    const error =
      cause instanceof AkproxError ? cause : new AkproxError('internal', `unexpected error in ${step.name}`, cause);
    const level = error.code === 'internal' ? 'error' : 'warn';
    const reference = context.references.write(
      level,
      { err: error, code: error.code, provider: application.name, step: step.name },
      'request failed',
      step.name,
    );
    await context.logWritten?.();
    return errorPage(readerOf(context, request), error, { application, reference, retryUrl: application.startUrl });
  }
}
