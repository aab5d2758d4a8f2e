// What the steps of a login share, and the one place where their errors become a page.
import type { Logger } from 'pino';
import { AkproxError } from '../infra/errors.js';
import type { OidcClient } from '../oidc/client.js';
import type { Provider } from '../provider/provider.js';
import type { Sessions } from '../session/sessions.js';
import type { Reply, Snapshot } from './exchange.js';
import { errorPage } from './pages.js';

export interface StepContext {
  readonly sessions: Sessions;
  readonly oidc: (provider: Provider) => OidcClient;
  readonly now: () => number;
  readonly log: Logger;
  /** `result` label of `akprox_logins_total`. */
  readonly countLogin: (provider: Provider, result: 'started' | 'succeeded' | 'denied' | 'failed') => void;
  readonly logoutTokens: LogoutTokenMemory;
}

/** Remembers the `jti` of logout tokens, so that none counts twice (OIDC Back-Channel Logout §2.6). */
export interface LogoutTokenMemory {
  /** False when it was seen before. */
  firstUse(issuer: string, jti: string): boolean;
}

export type Step = (context: StepContext, request: Snapshot, provider: Provider) => Promise<Reply>;

/** Runs a step; whatever it throws becomes a page that says what happened and offers to start again. */
export async function runStep(step: Step, context: StepContext, request: Snapshot, provider: Provider): Promise<Reply> {
  try {
    return await step(context, request, provider);
  } catch (cause) {
    const error = cause instanceof AkproxError ? cause : new AkproxError('internal', 'a step failed', cause);
    const level = error.code === 'internal' ? 'error' : 'warn';
    context.log[level](
      { err: error, code: error.code, provider: provider.name, step: step.name },
      'a step of a login failed',
    );
    return errorPage(error, startUrl(provider));
  }
}

export function startUrl(provider: Provider): string {
  return `${provider.origin}${provider.prefix}/start`;
}
