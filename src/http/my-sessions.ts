// P/sessions: somebody's own sessions at this application, and the end of one or of all others (contract §6c). What ends something is a
// POST of this page in this session: it holds handles that open in it alone, and no ids.
import type { Application } from '../application/application.js';
import { seal, unseal } from '../infra/seal.js';
import { json, NO_STORE, type Reply, redirect, type Snapshot } from './exchange.js';
import { isNavigation } from './fetch-metadata.js';
import { MOST_LISTED, mySessionsPage } from './my-sessions-page.js';
import { type KeyedSession, ownKeyedSession } from './own-session.js';
import { readerOf } from './page-layout.js';
import { asking, type StepContext } from './steps.js';

/** The field of the form. */
const END = 'end';
const OTHERS = 'others';
const LONGEST_HANDLE = 200;

/** `readBody`: null when it is too large. */
export async function mySessions(
  context: StepContext,
  request: Snapshot,
  application: Application,
  readBody: () => Promise<string | null>,
): Promise<Reply> {
  const isPost = request.method === 'POST';
  if (isPost && isFromElsewhere(request))
    return json(403, { error: 'refused', message: 'another site, or a page that is not this one, ends no session' });
  const own = await ownKeyedSession(context, request, application);
  if (own === null) return logIn(request, application);
  if (!isPost) return page(context, request, application, own, 200);
  const body = await readBody();
  if (body === null) return json(413, { error: 'invalid_request', message: 'the body is too large' });
  const [handle = '', ...more] = new URLSearchParams(body).getAll(END);
  const chosen = more.length > 0 ? null : openHandle(application, own.key, handle);
  // Of a session that has ended since, or forged.
  if (chosen === null) return page(context, request, application, own, 403);
  const { sub } = own.session.claims;
  await context.sessions.endOthers(
    application,
    sub,
    own.key,
    chosen === OTHERS ? null : chosen,
    asking(context, request),
  );
  return { status: 303, headers: [['Location', application.sessionsUrl], NO_STORE], body: '' };
}

/** Browsers do not send it over http, and old ones never: then the handle is what counts. */
function isFromElsewhere(request: Snapshot): boolean {
  return request.getHeaders('sec-fetch-site').some((value) => value.trim().toLowerCase() !== 'same-origin');
}

function logIn(request: Snapshot, application: Application): Reply {
  const { startUrl, sessionsUrl } = application;
  return isNavigation(request.method, request)
    ? redirect(`${startUrl}?rd=${encodeURIComponent(sessionsUrl)}`)
    : json(401, { error: 'login_required', login_url: startUrl });
}

async function page(
  context: StepContext,
  request: Snapshot,
  application: Application,
  { key, session }: KeyedSession,
  status: 200 | 403,
): Promise<Reply> {
  const { sub, preferredUsername } = session.claims;
  const { listed, all } = await context.sessions.list(application, sub, MOST_LISTED, key);
  const handle = (what: string): string =>
    seal(application.keys.summary, contextOf(key), Buffer.from(what)).toString('base64url');
  return mySessionsPage(readerOf(context, request), application, {
    user: preferredUsername,
    isStale: status === 403,
    sessions: listed.map((one) => ({ ...one, handle: one.key === key ? null : handle(one.key) })),
    all,
    others: handle(OTHERS),
  });
}

function openHandle(application: Application, own: string, handle: string): string | null {
  if (handle.length > LONGEST_HANDLE) return null;
  const plain = unseal(application.keys.summary, contextOf(own), Buffer.from(handle, 'base64url'));
  return plain === null ? null : plain.toString();
}

/** A handle counts in the session that it was made for. No session has such a name. */
function contextOf(own: string): string {
  return `end from ${own}`;
}
