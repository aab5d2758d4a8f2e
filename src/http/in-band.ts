// In-band: a proxy that relays our answers asks a check about one of our own steps, because nobody routed it to us. The step runs
// for the forward URL, and what it answers goes to the browser (contract §1). A 2xx of its own would let the request pass:
// `render` (decision.ts) makes 401 of it.
import type { Application } from '../application/application.js';
import type { InBandStep } from '../application/own-paths.js';
import { callback } from './callback.js';
import type { Reply, Snapshot } from './exchange.js';
import { signOut } from './sign-out.js';
import { signedOut } from './signed-out.js';
import { start } from './start.js';
import { runStep, type Step, type StepContext } from './steps.js';

export type InBandHandler = (step: InBandStep, request: Snapshot, application: Application) => Promise<Reply>;

export const IN_BAND: Readonly<Record<InBandStep, Step>> = {
  start,
  callback,
  sign_out: signOut,
  signed_out: signedOut,
};

/** `context` is asked for anew at each request: a new configuration is a new context. */
export function inBandHandler(context: () => StepContext): InBandHandler {
  return (step, request, application) => runStep(IN_BAND[step], context(), request, application);
}
