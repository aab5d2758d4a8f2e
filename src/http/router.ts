// The table of paths, whichever listener a request came in on: which is a check, which step answers, and for which host.
import type { Application } from '../application/application.js';
import { belowPrefix, ENVOY_CHECK, PING, PREFIXES, signatureStep } from '../application/own-paths.js';
import { isHostOf } from '../application/public-origin.js';
import { backchannelLogout } from './backchannel-logout.js';
import { callback } from './callback.js';
import type { CheckContext } from './check.js';
import { unknownHost } from './decision.js';
import { DIALECTS, type Dialect, dialectOfQuery } from './dialects.js';
import { empty, json, type Reply, redirect, type Snapshot } from './exchange.js';
import { isNavigation } from './fetch-metadata.js';
import { frontchannelLogout } from './frontchannel-logout.js';
import { IN_BAND } from './in-band.js';
import { jwks } from './jwks.js';
import { isLoginHostPage, loginHostPage } from './login-host.js';
import { mySessions } from './my-sessions.js';
import { readerOf } from './page-layout.js';
import { notFoundPage, unknownHostPage } from './pages.js';
import { signOut } from './sign-out.js';
import { signedOut } from './signed-out.js';
import { start } from './start.js';
import { runStep, type Step, type StepContext } from './steps.js';
import { userinfo } from './userinfo.js';

export interface RequestContext extends StepContext, CheckContext {}

/** Paths of a check, behind a prefix. `null`: the dialect is in the query. A `*` stands for whatever follows. */
export const CHECK_PATHS: readonly { readonly path: string; readonly dialect: Dialect | null }[] = [
  { path: '/auth', dialect: null },
  { path: '/auth/traefik', dialect: DIALECTS.traefik },
  { path: '/auth/caddy', dialect: DIALECTS.caddy },
  { path: '/auth/nginx', dialect: DIALECTS.nginx },
  { path: ENVOY_CHECK, dialect: DIALECTS.envoy },
  { path: `${ENVOY_CHECK}/*`, dialect: DIALECTS.envoy },
];

const BACKCHANNEL_PATH = '/backchannel_logout';
const SESSIONS_PATH = '/sessions';

const STEPS: Readonly<Record<string, Step>> = {
  '/start': start,
  '/callback': callback,
  '/sign_out': signOut,
  '/signed_out': signedOut,
  '/frontchannel_logout': frontchannelLogout,
  '/userinfo': userinfo,
  '/jwks.json': jwks,
};

/** A check asked for at this path, or null; for listeners without a router of their own. */
export function checkDialect(path: string, query: string): Dialect | null {
  for (const prefix of PREFIXES) {
    if (!path.startsWith(prefix)) continue;
    const rest = path.slice(prefix.length);
    const entry = CHECK_PATHS.find(
      (check) => check.path === rest || (check.path.endsWith('*') && rest.startsWith(check.path.slice(0, -1))),
    );
    if (entry) return entry.dialect ?? dialectOfQuery(query);
  }
  return null;
}

/** Everything that is not a check. `readBody` is called by the steps that want a body. */
export async function route(
  context: RequestContext,
  request: Snapshot,
  readBody: () => Promise<string | null>,
): Promise<Reply> {
  const rest = belowPrefix(request.path);
  if (rest === PING) return empty(204);

  const host = requestHost(context, request);
  const application = context.applications.find(host);
  if (application === undefined) {
    const shown = host.slice(0, 260);
    return isNavigation(request.method, request)
      ? unknownHostPage(readerOf(context, request), shown)
      : unknownHost(shown);
  }

  // A look-alike of a check (`/auth/traefik/`, `/auth/envoy*`) is asked by a proxy: no step of ours may answer it.
  if (rest?.startsWith('/auth')) return notFound(context, request, application);

  // The signatures count on any path of an application's host: the redirect URI may be the bare external_host.
  const signature = signatureStep(request.query);
  if (signature !== null) return runStep(IN_BAND[signature], context, request, application);
  if (rest === BACKCHANNEL_PATH) return runStep(logoutStep(readBody), context, request, application);
  if (rest === SESSIONS_PATH) return runStep(sessionsStep(host, readBody), context, request, application);
  if (isLoginHostPage(application, host, request.path)) return runStep(loginHostPage, context, request, application);
  const step = rest === null || !Object.hasOwn(STEPS, rest) ? undefined : STEPS[rest];
  if (step === undefined) return notFound(context, request, application);
  return runStep(step, context, request, application);
}

function notFound(context: RequestContext, request: Snapshot, application: Application): Reply {
  return isNavigation(request.method, request) ? notFoundPage(readerOf(context, request), application) : NOT_FOUND;
}

const NOT_FOUND: Reply = json(404, { error: 'not_found', message: 'there is nothing at this path' });

function logoutStep(readBody: () => Promise<string | null>): Step {
  return async function backchannel_logout(context, request, application): Promise<Reply> {
    const body = request.method === 'POST' ? await readBody() : '';
    if (body === null) return json(413, { error: 'invalid_request', error_description: 'the body is too large' });
    return backchannelLogout(context, request, application, body);
  };
}

/** A person's sessions are those of all hosts of an application: they are shown on its own. */
function sessionsStep(host: string, readBody: () => Promise<string | null>): Step {
  return async function sessions(context, request, application): Promise<Reply> {
    if (!isHostOf(application, host)) return redirect(application.sessionsUrl);
    return mySessions(context, request, application, readBody);
  };
}

/** The browser's host on paths other than checks: `X-Forwarded-Host` from a trusted proxy, else `Host` (contract §2.1). */
function requestHost(context: RequestContext, request: Snapshot): string {
  const forwarded = request.getHeaders('x-forwarded-host');
  if (forwarded.length === 1 && context.trustedProxies.trusts(request.peer)) return forwarded[0] ?? '';
  return request.getHeader('host');
}
