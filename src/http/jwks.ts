// P/jwks.json: the public keys of the signed assertion, for applications that verify it by themselves (contract §2.3).
import type { Application } from '../application/application.js';
import { json, type Reply, type Snapshot } from './exchange.js';
import { isNavigation } from './fetch-metadata.js';
import { readerOf } from './page-layout.js';
import { notFoundPage } from './pages.js';
import type { StepContext } from './steps.js';

/** Shorter than the day that a key is published before it signs. */
const CACHEABLE = ['Cache-Control', 'public, max-age=3600'] as const;

const NONE = json(404, { error: 'not_found', message: 'this provider signs no assertions (headers.assertion)' });

export async function jwks(context: StepContext, request: Snapshot, application: Application): Promise<Reply> {
  if (!application.config.headers.assertion)
    return isNavigation(request.method, request) ? notFoundPage(readerOf(context, request), application) : NONE;
  const { status, headers, body } = json(200, { keys: await context.publicKeys(application) });
  return { status, headers: [...headers.filter(([name]) => name !== CACHEABLE[0]), CACHEABLE], body };
}
